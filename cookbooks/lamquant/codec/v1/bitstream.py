"""Reads and writes the ``.lqc`` file: header, range-coded body, CRC-32.

Layout, little-endian: ``BLQ1``, version u8, coder u8, model digest prefix (8 bytes), rate f64, then
variable-length integers: channels, samples, and per channel ``low``, ``high - low`` and, unless the channel
is constant, ``mean - low``, step index, level, coded bins; then the number of 32-bit words, the words of
the range coder, and the CRC-32 of everything before. Everything a decoder needs beside the checkpoint is
in the file, and all of it counts as rate.
"""

import math
import struct
import zlib
from dataclasses import dataclass
from typing import Any

import constriction
import numpy as np
from numpy.typing import NDArray

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.codec.v1.entropy import ESCAPE, SHIFTS

MAGIC = b"BLQ1"
VERSION = 1
CODER_JOINT = 1
CODER_DCT = 2
DIGEST_BYTES = 8
_FIXED = struct.Struct("<4sBB8sd")
FREE_VALUES, VALUES_A_BYTE = 2**28, 4096
"""Values of a recording that any file may declare, and those that each of its bytes may stand for besides."""


class BitstreamError(Refused, ValueError):
    """Says that the bytes are not a bitstream that this checkpoint can decode; the message says why."""


@dataclass(frozen=True)
class ChannelHeader:
    """Holds side information of one channel, in digital units. ``step_index``: sixteenths of an octave."""

    low: int
    high: int
    mean: int = 0
    step_index: int = 0
    level: int = 0
    bins: int = 0

    @property
    def constant(self) -> bool:
        """Says whether the channel has one value throughout (then nothing else is coded)."""
        return self.low == self.high


@dataclass(frozen=True)
class Bitstream:
    """Holds a parsed file; ``words`` is the range coder's output."""

    coder: int
    digest: bytes
    rate_hz: float
    n_samples: int
    channels: list[ChannelHeader]
    words: NDArray[np.uint32]


def _put(out: bytearray, value: int) -> None:
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


class _Cursor:
    def __init__(self, data: bytes, position: int) -> None:
        self.data, self.position = data, position

    def take(self) -> int:
        value, shift = 0, 0
        while True:
            if self.position >= len(self.data) or shift > 63:
                raise BitstreamError("header runs past the end")
            byte = self.data[self.position]
            self.position += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    def take_signed(self) -> int:
        value = self.take()
        return value >> 1 if value & 1 == 0 else -((value + 1) >> 1)


def pack(stream: Bitstream) -> bytes:
    """Returns the file's bytes."""
    out = bytearray(_FIXED.pack(MAGIC, VERSION, stream.coder, stream.digest, stream.rate_hz))
    _put(out, len(stream.channels))
    _put(out, stream.n_samples)
    for c in stream.channels:
        _put(out, _zigzag(c.low))
        _put(out, c.high - c.low)
        if not c.constant:
            _put(out, c.mean - c.low)
            _put(out, _zigzag(c.step_index))
            _put(out, c.level)
            _put(out, c.bins)
    _put(out, len(stream.words))
    out += stream.words.astype("<u4").tobytes()
    out += struct.pack("<I", zlib.crc32(bytes(out)))
    return bytes(out)


def unpack(data: bytes) -> Bitstream:
    """Parse a file.

    Raises:
        BitstreamError: wrong magic, version or checksum, truncation, or values out of range.
    """
    if len(data) < _FIXED.size + 4:
        raise BitstreamError(f"truncated: {len(data)} bytes are less than a header")
    if data[:4] != MAGIC:
        raise BitstreamError(f"magic is {data[:4]!r}, expected {MAGIC!r}")
    if struct.unpack("<I", data[-4:])[0] != zlib.crc32(data[:-4]):
        raise BitstreamError("checksum does not match: the file is truncated or damaged")
    _, version, coder, digest, rate_hz = _FIXED.unpack_from(data)
    if version != VERSION:
        raise BitstreamError(f"version {version}, this reader knows version {VERSION}")
    cursor = _Cursor(data[:-4], _FIXED.size)
    n_channels, n_samples = cursor.take(), cursor.take()
    if not (math.isfinite(rate_hz) and rate_hz > 0 and n_channels and n_samples):
        raise BitstreamError(
            f"{n_channels} channels, {n_samples} samples, {rate_hz} Hz: must all be positive"
        )
    most = FREE_VALUES + VALUES_A_BYTE * len(data)
    if n_channels * n_samples > most or n_channels > len(data):
        raise BitstreamError(
            f"{n_channels} channels x {n_samples} samples are declared in {len(data)} bytes, which hold"
            f" {most} values at most"
        )
    channels = [_channel(cursor) for _ in range(n_channels)]
    n_words = cursor.take()
    body = data[cursor.position : -4]
    if len(body) != 4 * n_words:
        raise BitstreamError(f"body has {len(body)} bytes, header says {4 * n_words}")
    words = np.frombuffer(body, "<u4").astype(np.uint32)
    return Bitstream(coder, digest, rate_hz, n_samples, channels, words)


def _channel(cursor: _Cursor) -> ChannelHeader:
    low = cursor.take_signed()
    high = low + cursor.take()
    if high == low:
        return ChannelHeader(low, high)
    mean = low + cursor.take()
    return ChannelHeader(low, high, mean, cursor.take_signed(), cursor.take(), cursor.take())


_stream: Any = vars(constriction)["stream"]  # a native submodule without type information
_Categorical = _stream.model.Categorical
_Uniform = _stream.model.Uniform
_BIT = _Uniform(2)
_RAW = {bits: _Uniform(2**bits) for bits in range(1, 17)}


def token_models(frequencies: NDArray[np.int32]) -> list[Any]:
    """Returns one range-coder model per row of integer frequencies."""
    shares = frequencies.astype(np.float64) / frequencies.sum(1, keepdims=True)
    return [_Categorical(row, perfect=False) for row in shares]


class IntegerWriter:
    """Encodes integers by range coding, given their table index."""

    def __init__(self, frequencies: NDArray[np.int32]) -> None:
        self._models = token_models(frequencies)
        self._coder = _stream.queue.RangeEncoder()

    def write(self, values: NDArray[np.int32], tables: NDArray[np.uint8]) -> None:
        """Append ``values`` (flat, in coding order)."""
        encode, models, shifts = self._coder.encode, self._models, SHIFTS.tolist()
        for value, c in zip(values.tolist(), tables.tolist(), strict=True):
            magnitude, shift = abs(value), shifts[c]
            token = magnitude >> shift
            encode(min(token, ESCAPE), models[c])
            if token >= ESCAPE:
                self._escape(token - ESCAPE + 1)
            if shift:
                encode(magnitude & ((1 << shift) - 1), _RAW[shift])
            if magnitude:
                encode(int(value < 0), _BIT)

    def _escape(self, rest: int) -> None:
        for bit in "0" * (rest.bit_length() - 1) + f"{rest:b}":
            self._coder.encode(int(bit), _BIT)

    def words(self) -> NDArray[np.uint32]:
        """Returns what has been written, as 32-bit words."""
        return self._coder.get_compressed()


class IntegerReader:
    """Decodes what ``Writer`` wrote, one integer at a time."""

    def __init__(self, words: NDArray[np.uint32], frequencies: NDArray[np.int32]) -> None:
        self._models = token_models(frequencies)
        self._shifts = SHIFTS.tolist()
        self._decode = _stream.queue.RangeDecoder(words).decode

    def read(self, table: int) -> int:
        """Returns the next integer.

        Raises:
            BitstreamError: the body cannot be what a writer produced.
        """
        magnitude = int(self._decode(self._models[table]))
        if magnitude == ESCAPE:
            magnitude += self._escape() - 1
        shift = self._shifts[table]
        if shift:
            magnitude = magnitude << shift | int(self._decode(_RAW[shift]))
        if magnitude and self._decode(_BIT):
            return -magnitude
        return magnitude

    def _escape(self) -> int:
        zeros = 0
        while not self._decode(_BIT):
            zeros += 1
            if zeros > 31:
                raise BitstreamError("body is damaged: an escape code does not end")
        rest = 1
        for _ in range(zeros):
            rest = rest << 1 | int(self._decode(_BIT))
        return rest
