"""Reads samples by their place in the file, block by block."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.edf.layout import Layout, Slot
from cookbooks.lamquant.formats.edf.problems import COPY_AGAIN, BadRecording

LARGE_RECORD = 4 << 20
"""In bytes: of a longer data record only the parts that are asked for are read, shorter ones together."""


class Samples:
    """Reads the samples of channels that have one rate, as the file's own integers."""

    def __init__(self, path: Path, descriptor: int, layout: Layout, slots: Sequence[Slot]) -> None:
        self._path, self._descriptor, self._layout, self._slots = path, descriptor, layout, slots
        self._per_record = slots[0].samples
        self._buffer = bytearray()

    def read(self, first_record: int, start: int, stop: int) -> NDArray[np.int32]:
        """Returns int32 ``[C, stop - start]``, counted in samples from the beginning of ``first_record``.

        Raises:
            BadRecording: the file cannot be read, or became shorter.
        """
        out = np.empty((len(self._slots), stop - start), np.int32)
        done = 0
        for record, low, high in self._pieces(first_record, start, stop):
            width = high - low
            piece = out[:, done : done + width]
            whole = -(-high // self._per_record)
            if low == 0 and high == whole * self._per_record and self._layout.record_bytes <= LARGE_RECORD:
                self._whole_records(record, whole, piece)
            else:
                self._part(record, low, high, piece)
            done += width
        return out

    def blocks(self, first_record: int, n_samples: int, block: int) -> Iterator[NDArray[np.int32]]:
        """Yields int32 ``[C, n]`` in order of time, each of ``block`` samples but the last."""
        records = LARGE_RECORD // self._layout.record_bytes
        span = block * max(1, records * self._per_record // block)
        for start in range(0, n_samples, span):
            data = self.read(first_record, start, min(start + span, n_samples))
            for at in range(0, data.shape[1], block):
                yield data[:, at : at + block]

    def _pieces(self, first_record: int, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """Cut a range into parts of one record and runs of whole records: ``(record, low, high)``."""
        size = self._per_record
        while start < stop:
            record, low = divmod(start, size)
            whole = (stop - start) // size if low == 0 else 0
            if whole and self._layout.record_bytes <= LARGE_RECORD:
                high = whole * size
            else:
                high = min(size, low + stop - start)
            yield first_record + record, low, high
            start += high - low

    def _whole_records(self, record: int, count: int, out: NDArray[np.int32]) -> None:
        layout, size = self._layout, self._per_record
        data = self._bytes(
            layout.data_start + record * layout.record_bytes, count * layout.record_bytes
        ).reshape(count, layout.record_bytes)
        for row, slot in enumerate(self._slots):
            raw = data[:, slot.offset : slot.offset + slot.n_bytes]
            out[row].reshape(count, size)[:] = _integers(raw, layout.sample_bytes)

    def _part(self, record: int, low: int, high: int, out: NDArray[np.int32]) -> None:
        layout, width = self._layout, self._layout.sample_bytes
        base = layout.data_start + record * layout.record_bytes
        for row, slot in enumerate(self._slots):
            raw = self._bytes(base + slot.offset + low * width, (high - low) * width)
            out[row] = _integers(raw[None], width)[0]

    def _bytes(self, offset: int, count: int) -> NDArray[np.uint8]:
        """Returns bytes of the file; they stand until the next are read."""
        if len(self._buffer) < count:
            self._buffer = bytearray(count)
        view = memoryview(self._buffer)[:count]
        try:
            done = _read_into(self._descriptor, offset, view)
        except OSError as error:
            problem = f"cannot be read ({error.strerror or type(error).__name__})"
            raise BadRecording(self._path, "data records", problem, COPY_AGAIN) from error
        if done < count:
            problem = "the file became shorter while it was read"
            raise BadRecording(self._path, "data records", problem, COPY_AGAIN)
        return np.frombuffer(view, np.uint8)


def _read_into(descriptor: int, offset: int, view: memoryview) -> int:
    done = os.preadv(descriptor, [view], offset)
    while done < len(view) and (more := os.preadv(descriptor, [view[done:]], offset + done)):
        done += more  # a read gives at most 2 GiB
    return done


def _integers(raw: NDArray[np.uint8], width: int) -> NDArray[np.int32] | NDArray[np.int16]:
    """Returns little-endian integers of bytes ``[rows, samples * width]``, as ``[rows, samples]``."""
    if width == 2:
        return raw.view("<i2") if raw.flags.c_contiguous else _view(raw)
    triples = raw.reshape(raw.shape[0], -1, 3)
    words = np.empty((*triples.shape[:2], 4), np.uint8)
    words[..., 0] = 0
    words[..., 1:] = triples
    return words.view("<i4")[..., 0] >> 8  # arithmetic: the sign comes along


def _view(raw: NDArray[np.uint8]) -> NDArray[np.int16]:
    # only the last axis has to be contiguous for a view of another width
    return raw.view(np.dtype("<i2"))
