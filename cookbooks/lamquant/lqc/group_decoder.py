"""Decodes any stretch of one group of channels, and keeps the chunks that are read again soon."""

import threading
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import decode_chunk
from cookbooks.lamquant.lqc.container.header import FileHeader
from cookbooks.lamquant.lqc.errors import ChunkError, InputError, LqcError, ModelError
from cookbooks.lamquant.lqc.exact import decode_exact
from cookbooks.lamquant.lqc.jumps import Baseline, unpack_jumps
from cookbooks.lamquant.lqc.lapped import synthesise
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.refining import Refiner, check_refiner
from cookbooks.lamquant.lqc.spatial import unpack_plan
from cookbooks.lamquant.lqc.varint import Cursor

Damaged = Literal["raise", "mark"]
_KEPT_VALUES = 1 << 21
Part = tuple[int, NDArray[Any]]
"""The number of the first sample, and samples [C, n]."""


class KeptChunks(Protocol):
    """Gives coded chunks: a file does, and a stream those that have come."""

    @property
    def header(self) -> FileHeader:
        """Returns what is said beside the samples."""
        ...

    def n_samples(self, group: int) -> int:
        """Returns how many samples a channel of a group has."""
        ...

    def chunk(self, group: int, number: int) -> bytes:
        """Returns a coded chunk.

        Raises:
            ChunkError: it is damaged, or not there.
        """
        ...


class GroupDecoder:
    """Decodes one group of a file; threads may share it.

    Args:
        reader: gives the chunks of the file.
        number: of the group.
        model: what it was coded with, of a lapped group.
        damaged: ``raise``, or ``mark`` to fill lost chunks with the channels' means.
        refiner: what brings the planes of a lapped group nearer to the signal, if anything.

    Raises:
        ModelError: no model, or another one than that of the file; a refiner of another one.
    """

    def __init__(
        self,
        reader: KeptChunks,
        number: int,
        model: Model | None,
        damaged: Damaged,
        refiner: Refiner | None = None,
    ) -> None:
        self.group, self.n_samples = reader.header.groups[number], reader.n_samples(number)
        if self.group.mode == "lapped":
            _check_model(self.group.digest, model)
            check_refiner(self.group.digest, refiner)
        self._reader, self._number, self._model, self._damaged = reader, number, model, damaged
        self._refiner = refiner
        channels = self.group.channels
        self._moving = np.array([i for i, one in enumerate(channels) if one.low != one.high], np.intp)
        self._low, self._high, self._dc = (
            np.array([getattr(one, name) for one in channels], np.int64)[:, None]
            for name in ("low", "high", "dc")
        )
        self._shared = unpack_plan(self.group.shared, len(self._moving), self.group.hop, self.group.rate_hz)
        self._baseline = Baseline(self.group.per_chunk * max(1, self.group.hop), self.n_samples)
        self.lost = set[int]()
        self._kept: OrderedDict[int, NDArray[Any]] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def read(self, start: int, stop: int, workers: Workers) -> NDArray[np.int32]:
        """Returns samples [start, stop) of the group's channels, int32 [C, stop - start]."""
        out = np.empty((len(self.group.channels), stop - start), np.int32)
        out[:] = self._low
        if not len(self._moving) or start >= stop:
            return out
        for at, x in (self._lapped if self.group.mode == "lapped" else self._exact)(start, stop, workers):
            out[self._moving, at - start : at - start + x.shape[1]] = self._integers(x)
        return out

    def _integers(self, x: NDArray[Any]) -> NDArray[Any]:
        """Returns samples [C, n] as a channel can have them; those of lapped frames lie about its ``dc``."""
        low, high = self._low[self._moving], self._high[self._moving]
        if self.group.mode == "exact":
            return np.clip(x, low, high)
        return np.clip(np.rint(x) + self._dc[self._moving], low, high)

    def _exact(self, start: int, stop: int, workers: Workers) -> Iterator[Part]:
        size = self.group.per_chunk
        chunks = range(start // size, (stop - 1) // size + 1)
        for chunk, x in zip(chunks, workers.map(self._chunk, chunks), strict=True):
            yield from _cut(chunk * size, x, start, stop)

    def _lapped(self, start: int, stop: int, workers: Workers) -> Iterator[Part]:
        hop, size = self.group.hop, self.group.per_chunk
        first, end = start // hop, (stop - 1) // hop + 2
        chunks = range(first // size, (end - 1) // size + 1)

        def decoded(chunk: int) -> tuple[int, NDArray[np.floating], NDArray[np.float64]]:
            at = max(first, chunk * size)
            y = self._chunk(chunk)[:, at - chunk * size : end - chunk * size]
            return at, y, synthesise(y)

        before: NDArray[np.floating] | None = None
        for at, y, inside in workers.map(decoded, chunks):
            if before is not None:
                yield from self._cut((at - 1) * hop, synthesise(np.stack([before, y[:, 0]], 1)), start, stop)
            yield from self._cut(at * hop, inside, start, stop)
            before = y[:, -1]

    def _cut(self, at: int, x: NDArray[np.float64], start: int, stop: int) -> Iterator[Part]:
        for low, part in _cut(at, x, start, stop):
            yield low, self._baseline.on(part, low)

    def _chunk(self, chunk: int) -> NDArray[Any]:
        """Returns a decoded chunk: coefficients [C, F, hop], or samples [C, n] of an exact group."""
        with self._lock:
            if chunk in self._kept:
                self._kept.move_to_end(chunk)
                return self._kept[chunk]
        first, end = self.group.frames(chunk, self.n_samples)
        try:
            found = self._decoded(chunk, end - first)
        except InputError:
            raise
        except LqcError as error:
            if self._damaged == "raise":
                raise (
                    error if isinstance(error, ChunkError) else ChunkError(self._number, chunk, str(error))
                ) from error
            self.lost.add(chunk)
            found = self._mean(end - first)
        with self._lock:
            before = self._kept.pop(chunk, None)
            self._kept[chunk] = found
            self._held += found.size - (0 if before is None else before.size)
            while len(self._kept) > 1 and self._held > _KEPT_VALUES:
                self._held -= self._kept.popitem(last=False)[1].size
        return found

    def _decoded(self, chunk: int, frames: int) -> NDArray[Any]:
        data, group, n_channels = self._reader.chunk(self._number, chunk), self.group, len(self._moving)
        if self._model is None or group.mode == "exact":
            return decode_exact(data, n_channels, frames)
        if group.profile == "full":
            cursor, (start, stop) = Cursor(data), self._baseline.samples_of(chunk)
            self._baseline.hold(chunk, unpack_jumps(cursor, n_channels, stop - start))
            data = cursor.rest()
        shape = (n_channels, frames, group.hop)
        return decode_chunk(
            data, shape, group.rate_hz, self._model, group.profile, self._shared, self._refiner
        )

    def _mean(self, frames: int) -> NDArray[Any]:
        if self.group.mode == "exact":
            return np.repeat(self._dc[self._moving], frames, 1)
        return np.zeros((len(self._moving), frames, self.group.hop), np.float32)


def _cut(at: int, x: NDArray[Any], start: int, stop: int) -> Iterator[Part]:
    """Yields what of samples x [C, n] from number ``at`` on lies in [start, stop)."""
    low, high = max(start, at), min(stop, at + x.shape[1])
    if low < high:
        yield low, x[:, low - at : high - at]


def _check_model(digest: bytes, model: Model | None) -> None:
    if model is None:
        raise ModelError(f"the file was coded with model {digest.hex()}: give that checkpoint")
    if model.digest != digest:
        raise ModelError(
            f"the file was coded with model {digest.hex()}, the one given is {model.digest.hex()}"
        )
