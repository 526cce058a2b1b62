"""Reads LML1 containers: any stretch of samples, or all of them."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cookbooks.lamquant.formats.extent import Extent, extent_of_bytes
from cookbooks.lamquant.formats.lml.digest import signal_sha256
from cookbooks.lamquant.formats.lml.errors import BadHeader, CrcMismatch, LmlError
from cookbooks.lamquant.formats.lml.layout import HEADER
from cookbooks.lamquant.formats.lml.packet import decode_packet, read_header
from cookbooks.lamquant.formats.lml.structure import (
    exact_rate,
    read_container_header,
    read_metadata,
    read_places,
)

CACHED_BYTES = 16 << 20
"""Decoded windows that a reader keeps for the next question, at least one."""


class LmlReader:
    """Reads stretches of a recording; memory depends on the number of channels and the stretch only.

    What is opened has been checked for its structure. Each window's checksum is verified when it is read.

    Attributes:
        n_channels: rows of what is read.
        n_samples: of each channel.
        rate_hz: samples per second.
        bit_depth: bits of the original sample.
        metadata: the container's JSON object.
        noise_bits: the largest number of low bits that the writer dropped (0: exact).
        legacy_crc: whether a packet that was read used the older checksum scope, which leaves the packet
            header unprotected.

    Raises:
        LmlError: Truncated, BadHeader, CrcMismatch or Unsupported.
    """

    def __init__(self, source: Extent) -> None:
        self.header = read_container_header(source.read(0, HEADER.size))
        self.metadata = read_metadata(source.read(HEADER.size, self.header.n_metadata))
        self._source, self._places = source, read_places(source, self.header)
        self.n_channels, self.n_samples = self.header.n_channels, self.header.total
        self.bit_depth = self.header.bit_depth
        self.rate_hz = exact_rate(self.header.rate_mhz, self.metadata)
        self.noise_bits = max(place.shape.noise_bits for place in self._places)
        self.legacy_crc = False
        self._starts = np.cumsum([0] + [place.shape.n_samples for place in self._places])
        self._decoded: OrderedDict[int, np.ndarray] = OrderedDict()

    def read(self, start: int, stop: int, rows: Sequence[int] | slice = slice(None)) -> np.ndarray:
        """Returns samples ``start`` to ``stop`` of the channels ``rows``, [channels, samples].

        int32, or int64 where a value needs it. The last windows that were decoded are kept.

        Raises:
            LmlError: a window is damaged.
        """
        start, stop = max(0, start), min(stop, self.n_samples)
        out = np.empty((len(range(self.n_channels)[rows] if isinstance(rows, slice) else rows), 0), np.int32)
        if start >= stop:
            return out
        out = np.empty((len(out), stop - start), np.int32)
        first = int(np.searchsorted(self._starts, start, "right")) - 1
        last = int(np.searchsorted(self._starts, stop, "left"))
        for index in range(first, last):
            low = int(self._starts[index])
            window = self._window(index)[rows, max(0, start - low) : stop - low]
            if window.dtype != out.dtype:
                out = out.astype(np.int64)
            at = max(0, low - start)
            out[:, at : at + window.shape[1]] = window
        return out

    def _window(self, index: int) -> np.ndarray:
        if (kept := self._decoded.get(index)) is not None:
            self._decoded.move_to_end(index)
            return kept
        place = self._places[index]
        try:
            header = read_header(self._source.read(place.at + 4, place.length))
            if header.shape != place.shape:
                raise BadHeader("packet: its header has changed since it was opened")
            window = decode_packet(header)
        except LmlError as error:
            raise type(error)(f"window {index}: {error}") from error
        self.legacy_crc |= header.legacy_crc
        if -(1 << 31) <= window.min() <= window.max() < 1 << 31:
            window = window.astype(np.int32)
        while self._decoded and sum(w.nbytes for w in self._decoded.values()) + window.nbytes > CACHED_BYTES:
            self._decoded.popitem(last=False)
        self._decoded[index] = window
        return window


@dataclass(frozen=True)
class LmlFile:
    """Holds a decoded recording.

    ``digital`` is [C, T], int32 when every value fits, else int64. ``noise_bits`` is the largest number
    of low bits that the writer dropped (0: exact). ``legacy_crc`` tells that some packet used the older
    checksum scope, which leaves the packet header unprotected.
    """

    digital: np.ndarray
    rate_hz: float
    bit_depth: int
    metadata: dict[str, Any] = field(default_factory=dict)
    noise_bits: int = 0
    window_size: int = 0
    n_windows: int = 0
    has_footer: bool = False
    legacy_crc: bool = False


def decode_lml(data: bytes) -> LmlFile:
    """Decode an LML1 file and verify every checksum it carries.

    ``signal_sha256`` of the metadata is verified too, unless low bits were dropped. Bytes after the last
    window of a file without footer are ignored, as the format demands.

    Raises:
        LmlError: Truncated, BadHeader, CrcMismatch or Unsupported.
    """
    reader = LmlReader(extent_of_bytes(data))
    digital = reader.read(0, reader.n_samples)
    expected = reader.metadata.get("signal_sha256")
    if reader.noise_bits == 0 and isinstance(expected, str) and signal_sha256(digital) != expected.lower():
        raise CrcMismatch("metadata signal_sha256: differs from the decoded samples")
    return LmlFile(
        digital=digital,
        rate_hz=reader.rate_hz,
        bit_depth=reader.bit_depth,
        metadata=reader.metadata,
        noise_bits=reader.noise_bits,
        window_size=reader.header.window_size,
        n_windows=reader.header.n_windows,
        has_footer=reader.header.has_footer,
        legacy_crc=reader.legacy_crc,
    )
