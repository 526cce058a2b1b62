"""Finds landmarks of a signal: a sparse, position-independent sketch by which equal stretches meet.

A window of ``WINDOW`` first differences is hashed at every sample with a polynomial rolling hash modulo
2^64 (Karp & Rabin, "Efficient randomized pattern-matching algorithms", 1987), and of the hashes only the
smallest of each ``spacing`` in a row are kept (winnowing: Schleimer, Wilkerson & Aiken, SIGMOD 2003). Which
positions are kept depends on the samples alone, so two signals that share ``guaranteed_run`` differences
share a landmark wherever the stretch lies in either. Differences ignore a constant offset, division by
their greatest common divisor ignores an integer gain, and a hash and its negative count as one, which
ignores polarity.

Stretches that say nothing about their origin (flat, saturated, exactly periodic) leave no landmark.
Cost: O(samples) time, about two landmarks in each ``spacing`` samples, temporaries of one block.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.winnow import WINDOW, chosen, common_step, hashes_of

MIN_SPACING = 17
"""The smallest spacing of minima, for signals of a low rate."""
MAX_SPACING = 8191
"""The largest, for signals of a high rate: what blocks overlap by stays small beside a block."""

LANDMARK = np.dtype([("hash", "<u8"), ("owner", "<u4"), ("channel", "<u2"), ("position", "<i8")])
"""One landmark: ``position`` is the first sample of the hashed window, ``owner`` is set by who collects."""

Samples = NDArray[np.integer]


def spacing(rate_hz: float) -> int:
    """Returns the samples between landmarks, odd, so that a shared run of one second has one."""
    return min(max(MIN_SPACING, (round(rate_hz) - WINDOW) // 2 * 2 - 1), MAX_SPACING)


def guaranteed_run(rate_hz: float) -> int:
    """Returns the shortest run of equal differences that is sure to be found:
    a second, or 80 at a low rate.
    """
    return max(round(rate_hz), WINDOW + spacing(rate_hz) - 1)


class Sketcher:
    """Finds the landmarks of a recording that arrives in pieces; how it is cut does not change them.

    Args:
        n_channels: channels of the recording.
        rate_hz: samples per second of every channel; it sets the density of the sketch only.
        steps: greatest common divisor of each channel's differences where it is known already.
    """

    def __init__(self, n_channels: int, rate_hz: float, steps: Sequence[int] | None = None) -> None:
        self._size = spacing(rate_hz)
        self._tail = np.empty((n_channels, 0), np.int64)
        self._start = self._done = 0
        self._steps = list(steps or [0] * n_channels)
        self._used = list(self._steps)

    @property
    def steps(self) -> list[int]:
        """Returns the greatest common divisor of the differences of each channel so far; 1 where flat."""
        return [step or 1 for step in self._steps]

    @property
    def stale(self) -> bool:
        """Says that some landmark was made with a step that later samples proved too large."""
        return any(used not in (0, step) for used, step in zip(self._used, self._steps, strict=True))

    def feed(self, fresh: Samples) -> NDArray:
        """Returns the landmarks (``LANDMARK``) that are certain once ``fresh`` [C, n] is known."""
        joint = self._tail[:, -1:]
        self._tail = np.concatenate([self._tail, fresh], axis=1)
        for index, step in enumerate(self._steps):
            if step != 1:
                row = np.concatenate([joint[index], fresh[index]]).astype(np.int64)
                self._steps[index] = int(common_step(row, step))
            self._used[index] = self._used[index] or self._steps[index]
        end = self._start + self._tail.shape[1] - WINDOW
        return self._landmarks(max(self._done, end - 2 * self._size))

    def finish(self) -> NDArray:
        """Returns the landmarks that only the end of the recording makes certain."""
        return self._landmarks(max(self._done, self._start + self._tail.shape[1] - WINDOW))

    def _landmarks(self, stop: int) -> NDArray:
        parts = [self._channel(index, stop) for index in range(len(self._tail))]
        self._done = stop
        keep = max(0, stop - 2 * self._size - self._start)
        self._tail, self._start = self._tail[:, keep:], self._start + keep
        return np.concatenate([*parts, np.empty(0, LANDMARK)])

    def _channel(self, index: int, stop: int) -> NDArray:
        hashes = hashes_of(self._tail[index], self._used[index] or 1)
        positions = chosen(hashes, self._size)
        kept = positions[~_periodic(hashes[positions], positions, self._size)]
        kept = kept[(kept >= self._done - self._start) & (kept < stop - self._start)]
        found = np.zeros(len(kept), LANDMARK)
        found["hash"], found["channel"], found["position"] = hashes[kept], index, kept + self._start
        return found


def _periodic(hashes: NDArray[np.uint64], positions: NDArray[np.int64], size: int) -> NDArray[np.bool_]:
    """Says which landmarks recur within one spacing: a calibration square or a rail-to-rail hum."""
    order = np.lexsort((positions, hashes))
    near = (np.diff(positions[order]) < size) & (hashes[order][1:] == hashes[order][:-1])
    recurring = np.zeros(len(hashes), np.bool_)
    recurring[order[1:][near]] = True
    recurring[order[:-1][near]] = True
    return recurring
