"""Brings recordings of any rate to one rate and one band, so that they can be compared.

The band is that of the fourth derivative of a Gaussian, ``H(f) = f^4 exp(-2 (f / 9 Hz)^2)``: 5.5 to 13 Hz at
half its height, linear in phase, without ringing. What is usually filtered away lies outside: drift below,
mains and muscle above. Derivatives of a Gaussian as filters: Marr & Hildreth, "Theory of edge detection",
Proc. R. Soc. B 207, 1980.

Cost: one matrix product, about 60 multiplications a sample at 256 Hz.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.reading import Samples, Signal

COMMON_HZ = 64
"""Twice the highest frequency that the band lets through."""
_PEAK_HZ = 9.0
_HALF_S = 0.22
"""Half the length of the filter; it has fallen to a millionth there."""
_HOPS_S = (0.5, 1, 2, 4, 8)
_EXACT = 1e-3
_ONE_THREAD = 1 << 19
"""Multiplications up to which BLAS stays in the calling thread; more threads would mostly wait."""

Waves = NDArray[np.float32]


@dataclass(frozen=True)
class _Filter:
    """Computes ``matrix`` [taps + hop + taps, outputs]: what one hop of samples and its borders give."""

    hop: int
    taps: int
    matrix: NDArray[np.float32]
    stretch: float
    """Seconds of the recording in a second of the output: the hop is a whole number of samples."""


@lru_cache(maxsize=32)
def _filter(rate_hz: float) -> _Filter:
    seconds = next(
        (hop for hop in _HOPS_S if abs(rate_hz * hop - round(rate_hz * hop)) < _EXACT), _HOPS_S[-1]
    )
    hop = max(1, round(rate_hz * seconds))
    rate = hop / seconds
    taps = int(np.ceil(_HALF_S * rate))
    inputs = (np.arange(hop + 2 * taps) - taps) / rate
    outputs = np.arange(round(COMMON_HZ * seconds)) / COMMON_HZ
    frequency = np.linspace(0, 60, 601)
    gain = (frequency / _PEAK_HZ) ** 4 * np.exp(2 - 2 * (frequency / _PEAK_HZ) ** 2)
    fine = np.linspace(0, _HALF_S, 4096)
    response = np.cos(2 * np.pi * fine[:, None] * frequency) @ gain * 2 * (frequency[1] - frequency[0])
    apart = np.abs(inputs[:, None] - outputs)
    matrix = np.interp(apart, fine, response, right=0.0) / rate
    # a constant must give nothing, also at a rate that is no multiple of the common one
    inside = apart <= _HALF_S
    matrix -= inside * (matrix.sum(axis=0) / inside.sum(axis=0))
    return _Filter(hop, taps, matrix.astype(np.float32), rate / rate_hz)


class CommonRate:
    """Filters a recording that arrives in pieces; how it is cut does not change the result.

    Args:
        rate_hz: samples per second.
        scale: microvolts per digital unit [C].
        at_start: the first sample is the recording's first; otherwise it belongs to the filter's border.
    """

    def __init__(self, rate_hz: float, scale: NDArray[np.float64], at_start: bool = True) -> None:
        self._filter = _filter(rate_hz)
        self._scale = scale.astype(np.float32)[:, None]
        self._tail: Samples | None = None if at_start else np.empty((len(scale), 0), np.int32)

    @property
    def stretch(self) -> float:
        """Returns the seconds of the recording in a second of the output."""
        return self._filter.stretch

    def feed(self, fresh: Samples) -> Waves:
        """Returns microvolts at the common rate, float32 [C, n]; the first is at the recording's start."""
        if self._tail is None:
            self._tail = np.repeat(fresh[:, :1], self._filter.taps, axis=1)
        self._tail = np.concatenate([self._tail, fresh], axis=1)
        return self._filtered()

    def finish(self) -> Waves:
        """Returns what remains; the recording goes on as its last sample."""
        if self._tail is None:
            return np.empty((len(self._scale), 0), np.float32)
        missing = self._filter.hop + self._filter.taps
        self._tail = np.concatenate([self._tail, np.repeat(self._tail[:, -1:], missing, axis=1)], axis=1)
        return self._filtered()

    def _filtered(self) -> Waves:
        assert self._tail is not None
        size = self._filter.hop + 2 * self._filter.taps
        count = max(0, (self._tail.shape[1] - 2 * self._filter.taps) // self._filter.hop)
        if count == 0:
            return np.empty((len(self._scale), 0), np.float32)
        # float32 holds the 24 bits of BDF; differences from a nearby sample keep the sums small
        values = self._tail.astype(np.float32)
        values -= values[:, :1].copy()
        values *= self._scale
        frames = np.lib.stride_tricks.sliding_window_view(values, size, axis=1)[:, :: self._filter.hop]
        waves = np.empty((len(values), count, self._filter.matrix.shape[1]), np.float32)
        at_once = max(1, _ONE_THREAD // self._filter.matrix.size)
        for row, out in zip(frames, waves, strict=True):
            for start in range(0, count, at_once):
                stop = min(start + at_once, count)
                np.matmul(row[start:stop], self._filter.matrix, out=out[start:stop])
        self._tail = self._tail[:, count * self._filter.hop :]
        return waves.reshape(len(values), -1)


def stretch_at_common_rate(signal: Signal, start_s: float, stop_s: float) -> tuple[float, Waves]:
    """Returns a stretch at the common rate, microvolts [C, n], and the second at which it begins.

    It is cut at the ends of the recording.
    """
    used, rate = _filter(signal.rate_hz), signal.rate_hz
    first = max(0, int(start_s * rate)) // used.hop
    low = max(0, first * used.hop - used.taps)
    high = min(signal.n_samples, int(np.ceil(stop_s * rate)) + used.taps + used.hop)
    filtered = CommonRate(rate, signal.scale, at_start=first == 0)
    waves = filtered.feed(signal.read(low, max(low, high)))
    if high == signal.n_samples:
        waves = np.concatenate([waves, filtered.finish()], axis=1)
    begin, second = first * used.hop / rate, used.stretch / COMMON_HZ
    skipped = max(0, int(np.ceil((start_s - begin) / second)))
    stop = int((min(stop_s, signal.n_samples / rate) - begin) / second)
    return begin + skipped * second, waves[:, skipped : max(skipped, stop)]
