"""The trained DCT after the cross-channel transform of the codec, so that the rest of the lead shows.

A file holds chunks of about a minute, each with the codec's rotations for these channels, found and packed by
the codec's own code. What a plane keeps of a channel differs from band to band, so each plane has a gain over
the trained scales in every eighth of the spectrum, in quarter octaves, chosen for the chunk.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from bench.codec_anchors import BLOCKS_S, Dct, rms_of
from bench.codec_sets import Signal
from cookbooks.lamquant.codec.v1.bitstream import IntegerReader, IntegerWriter
from cookbooks.lamquant.codec.v1.entropy import LOG_FLOOR, N_SCALES, SCALES_PER_OCTAVE, frequencies_from
from cookbooks.lamquant.lqc.side import SideReader, SideWriter
from cookbooks.lamquant.lqc.spatial import (
    RotationPlan,
    apart,
    band_edges,
    plan_for,
    put_plan,
    take_plan,
    together,
)

CHUNK_S, GAIN_BANDS = 60.0, 8
_GAIN = 30
"""Context of a gain beside the coefficients, none of those of rotations."""
_STEPS_PER_OCTAVE = 16
_TABLES = frequencies_from(np.zeros((N_SCALES, 16)))
_FRONT = struct.Struct("<BdIIi")


@dataclass
class DctTogether:
    """As `Dct`, all channels of a recording together; its scales are the trained ones.

    The block length that made the smallest file of the first recording of a kind is kept for the others.
    """

    dct: Dct
    name: str
    kept: dict[tuple[int, float], int] = field(default_factory=dict, init=False)

    def encode(self, signal: Signal, ratio: float) -> bytes:
        kind = len(signal.digital), signal.rate_hz
        if kind not in self.kept:
            files = [self._largest_step(signal, ratio, number) for number in range(len(BLOCKS_S))]
            self.kept[kind] = min(range(len(files)), key=lambda number: len(files[number]))
        return self._largest_step(signal, ratio, self.kept[kind])

    def decode(self, data: bytes) -> NDArray[np.int32]:
        number, rate_hz, channels, samples, index = _FRONT.unpack_from(data)
        at = _FRONT.size + 8 * channels
        mean, rms = np.frombuffer(data, "<f4", 2 * channels, _FRONT.size).reshape(2, channels, 1)
        scales = self.dct.at(number, rate_hz).log_scales
        rows, left = [], -(-samples // len(scales))
        while left:
            frames = min(left, _frames(number))
            size, beside = struct.unpack_from("<II", data, at)
            part = data[at + 8 : at + 8 + size]
            rows.append(_take_chunk(part, beside, (channels, frames, len(scales)), scales, rate_hz))
            at, left = at + 8 + size, left - frames
        return _samples(np.concatenate(rows, axis=1), rms * _step(index), mean, samples)

    def _largest_step(self, signal: Signal, ratio: float, number: int) -> bytes:
        """Ten halvings: error grows with the step, and the transforms keep it."""
        rms = np.maximum(rms_of(signal), 1e-6)[:, None].astype("<f4")
        mean = signal.digital.mean(axis=1, keepdims=True).astype("<f4")
        scales = self.dct.at(number, signal.rate_hz).log_scales
        samples = signal.digital.shape[1]
        padded = np.pad(signal.digital - mean, ((0, 0), (0, -samples % len(scales))), mode="symmetric")
        blocks = padded.reshape(len(mean), -1, len(scales)) / rms[..., None]
        y: Any = scipy.fft.dct(blocks, norm="ortho")
        low, high, chunks = -12 * _STEPS_PER_OCTAVE, 4 * _STEPS_PER_OCTAVE, []
        while high - low > 1:
            index = (low + high) // 2
            found = list(_planned(y / _step(index), number, signal.rate_hz))
            error = sum(part.error for part in found) / y.size * _step(index) ** 2
            low, high = (index, high) if error <= ratio**2 else (low, index)
            chunks = found if low == index else chunks
        front = _FRONT.pack(number, signal.rate_hz, len(mean), samples, low) + mean.tobytes() + rms.tobytes()
        return front + b"".join(_put_chunk(part, scales, signal.rate_hz) for part in chunks)


@dataclass(frozen=True)
class _Chunk:
    """Integers of the planes [C, F, K], the rotations, and the squared error, in steps, that they leave."""

    q: NDArray[np.int32]
    plan: RotationPlan
    error: float


def _frames(number: int) -> int:
    return round(CHUNK_S / BLOCKS_S[number])


def _step(index: int) -> float:
    return 2.0 ** (index / _STEPS_PER_OCTAVE)


def _planned(y: NDArray[np.float64], number: int, rate_hz: float) -> Iterator[_Chunk]:
    for first in range(0, y.shape[1], _frames(number)):
        part = np.ascontiguousarray(y[:, first : first + _frames(number)], np.float32)
        plan = plan_for(part, rate_hz)
        planes = together(part, plan, rate_hz)
        q = np.rint(planes)
        yield _Chunk(q.astype(np.int32), plan, float(((planes - q) ** 2).sum()))


def _put_chunk(chunk: _Chunk, scales: NDArray[np.float64], rate_hz: float) -> bytes:
    side, writer = SideWriter(), IntegerWriter(_TABLES)
    put_plan(side, chunk.plan, len(chunk.q))
    edges = band_edges(len(scales), rate_hz, GAIN_BANDS)
    for plane in chunk.q:
        tables = np.empty(plane.shape, np.uint8)
        for low, high in pairwise(edges):
            louder = np.abs(plane[:, low:high]).mean(0) + 0.05
            gain = round(SCALES_PER_OCTAVE * float(np.log2((louder / 2 ** scales[low:high]).mean())))
            side.put(_GAIN, gain + 128)
            tables[:, low:high] = _table(scales[low:high], gain)
        writer.write(plane.reshape(-1), tables.reshape(-1))
    beside, words = side.pack(), writer.words().astype("<u4").tobytes()
    return struct.pack("<II", len(beside) + len(words), len(beside)) + beside + words


def _take_chunk(
    data: bytes, beside: int, shape: tuple[int, int, int], scales: NDArray[np.float64], rate_hz: float
) -> NDArray[np.float32]:
    side = SideReader(data[:beside])
    reader = IntegerReader(np.frombuffer(data[beside:], "<u4").astype(np.uint32), _TABLES)
    plan = take_plan(side, shape, rate_hz)
    edges = band_edges(len(scales), rate_hz, GAIN_BANDS)
    q = np.empty(shape, np.float32)
    for plane in q:
        tables = np.empty(len(scales), np.uint8)
        for low, high in pairwise(edges):
            tables[low:high] = _table(scales[low:high], int(side.take(_GAIN, 1)[0]) - 128)
        listed = tables.tolist()
        plane[:] = [[reader.read(table) for table in listed] for _ in plane]
    return apart(q, plan, rate_hz)


def _table(scales: NDArray[np.float64], gain: int) -> NDArray[np.uint8]:
    index = np.rint((scales + LOG_FLOOR) * SCALES_PER_OCTAVE + gain)
    return np.clip(index, 0, N_SCALES - 1).astype(np.uint8)


def _samples(y: NDArray[Any], scale: NDArray[Any], mean: NDArray[Any], samples: int) -> NDArray[np.int32]:
    blocks: Any = scipy.fft.idct(y.astype(np.float64), norm="ortho")
    return np.rint(blocks.reshape(len(y), -1)[:, :samples] * scale + mean).astype(np.int32)
