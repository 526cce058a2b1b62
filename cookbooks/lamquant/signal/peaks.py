"""Finds landmarks that survive filters: times between the highest peaks of a wave.

A peak counts if no other within ``REACH`` samples on either side is as high; its time is that of the
parabola through three samples. ``INTERVALS`` times from peak to peak, rounded, with the polarity from each
to the next, are one landmark: gain, polarity and offset do not change it, and noise moves few of them.
Constellations of peaks as landmarks: Wang, "An industrial-strength audio search algorithm", ISMIR 2003.

Equally spaced peaks (a calibration square, a pure tone) say nothing about their origin and leave none.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.formats.lml.kernel import jit
from cookbooks.lamquant.signal.common_rate import COMMON_HZ, CommonRate, Waves
from cookbooks.lamquant.signal.derivations import Derivations
from cookbooks.lamquant.signal.landmarks import LANDMARK
from cookbooks.lamquant.signal.reading import Samples, Signal

REACH = 8
INTERVALS = 5
LONGEST = 96
"""Samples from a peak to the next, at most: 1.5 s."""
PER_SECOND = 64
"""Landmarks of one recording in a second, about; of many channels those with certain hashes are kept."""
_STEP = 0.75
_EVEN = 1.0
_FLOOR = 0.05
"""Smallest peak in digital units: below it there is nothing but the rounding of the samples."""
_BORDER = INTERVALS * LONGEST + 2 * REACH


@jit
def _peaks(wave: np.ndarray, floor: float, times: np.ndarray, heights: np.ndarray) -> int:
    """Find the times [samples] and heights of the highest peaks; returns their number."""
    found = 0
    for i in range(1, wave.size - 1):
        a, b, c = wave[i - 1], wave[i], wave[i + 1]
        if (b - a) * (c - b) < 0 and b * (b - a) > 0 and abs(b) > floor:
            shift = 0.5 * (a - c) / (a - 2 * b + c)
            times[found] = i + shift
            heights[found] = b - 0.25 * (a - c) * shift
            found += 1
    kept = 0
    for i in range(found):
        alone = True
        j = i - 1
        while alone and j >= 0 and times[i] - times[j] <= REACH:
            alone = abs(heights[j]) < abs(heights[i])
            j -= 1
        j = i + 1
        while alone and j < found and times[j] - times[i] <= REACH:
            alone = abs(heights[j]) < abs(heights[i])
            j += 1
        if alone:
            # kept <= i, and what lies there is only read again within REACH, so it is kept apart
            times[times.size // 2 + kept] = times[i]
            heights[times.size // 2 + kept] = heights[i]
            kept += 1
    return kept


@jit
def _sketch(
    waves: np.ndarray, floor: float, mask: int, hashes: np.ndarray, rows: np.ndarray, at: np.ndarray
) -> int:
    """Write hash, row and time of each landmark of all waves [S, n]; returns their number."""
    n = waves.shape[1]
    times, heights = np.empty(2 * n), np.empty(2 * n)
    count = 0
    for row in range(waves.shape[0]):
        kept = _peaks(waves[row], floor, times, heights)
        t, h = times[n : n + kept], heights[n : n + kept]
        for i in range(kept - INTERVALS):
            hashed, least, most = np.uint64(0), 1e9, 0.0
            for j in range(i, i + INTERVALS):
                apart = t[j + 1] - t[j]
                least, most = min(least, apart), max(most, apart)
                turned = (h[j + 1] > 0) != (h[j] > 0)
                hashed = hashed * np.uint64(1024) + np.uint64(2 * int(apart / _STEP + 0.5) + turned)
            if most > LONGEST or most - least < _EVEN:
                continue
            # the finaliser of SplitMix64 (Steele, Lea & Flood 2014)
            hashed = (hashed ^ (hashed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            hashed = (hashed ^ (hashed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            hashed = hashed ^ (hashed >> np.uint64(31))
            if (hashed >> np.uint64(40)) & np.uint64(mask) == 0:
                hashes[count], rows[count], at[count] = hashed, row, t[i]
                count += 1
    return count


class PeakSketcher:
    """Finds the landmarks of a recording that arrives in pieces; how it is cut does not change them.

    ``channel`` of a landmark is the index of a derived wave, ``position`` its time in milliseconds.
    """

    def __init__(self, signal: Signal) -> None:
        self._filter = CommonRate(signal.rate_hz, signal.scale)
        self._derived = Derivations(signal.channels)
        self._floor = _FLOOR * float(np.min(np.abs(signal.scale), initial=np.inf))
        wanted = 3.5 * len(self._derived) / PER_SECOND
        self._mask = (1 << max(0, int(np.ceil(np.log2(max(wanted, 1.0)))))) - 1
        self._tail = np.empty((len(signal.channels), 0), np.float32)
        self._start = self._done = 0

    def feed(self, fresh: Samples) -> NDArray:
        """Returns the landmarks (``LANDMARK``) that are certain once ``fresh`` [C, n] is known."""
        return self._landmarks(self._filter.feed(fresh), _BORDER)

    def finish(self) -> NDArray:
        """Returns the landmarks that only the end of the recording makes certain."""
        return self._landmarks(self._filter.finish(), 0)

    def _landmarks(self, waves: Waves, border: int) -> NDArray:
        self._tail = np.concatenate([self._tail, waves], axis=1)
        stop = max(self._done, self._start + self._tail.shape[1] - border)
        found = self._sketched(stop) if stop > self._done else np.empty(0, LANDMARK)
        self._done = stop
        keep = max(0, stop - self._start - 2 * REACH)
        self._tail, self._start = self._tail[:, keep:], self._start + keep
        return found

    def _sketched(self, stop: int) -> NDArray:
        waves = self._derived.all(self._tail)
        most = waves.size // REACH + len(waves)
        hashes, rows, times = np.empty(most, np.uint64), np.empty(most, np.int64), np.empty(most)
        count = _sketch(waves, self._floor, self._mask, hashes, rows, times)
        hashes, rows, times = hashes[:count], rows[:count], times[:count] + self._start
        inside = (times >= self._done) & (times < stop)
        found = np.zeros(int(inside.sum()), LANDMARK)
        found["hash"], found["channel"] = hashes[inside], rows[inside]
        found["position"] = np.rint(times[inside] * (1000 / COMMON_HZ * self._filter.stretch))
        return found
