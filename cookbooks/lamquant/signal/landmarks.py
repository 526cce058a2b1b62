"""Finds landmarks of a signal: a sparse, position-independent sketch by which equal stretches meet.

A window of ``WINDOW`` first differences is hashed at every sample with a polynomial rolling hash modulo
2^64 (Karp & Rabin, "Efficient randomized pattern-matching algorithms", 1987), and of the hashes only the
local minima are kept (winnowing: Schleimer, Wilkerson & Aiken, SIGMOD 2003). Which positions are kept
depends on the samples alone, so two signals that share ``guaranteed_run`` differences share a landmark
wherever the stretch lies in either. Differences ignore a constant offset, division by their greatest
common divisor ignores an integer gain, and a hash and its negative count as one, which ignores polarity.

Stretches that say nothing about their origin (flat, saturated, exactly periodic) leave no landmark.
Cost: O(samples) time, about two landmarks in each ``spacing`` samples, temporaries of one block.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter1d, minimum_filter1d

WINDOW = 64
"""First differences under one hash."""
MIN_CHANGES = WINDOW // 8
"""A window in which the difference changes fewer times than this is flat or stuck at a rail."""
MIN_SPACING = 17
"""The smallest spacing of minima, for signals of a low rate."""
MAX_SPACING = 8191
"""The largest, for signals of a high rate: the halo of a block stays small beside the block."""

_BLOCK = 1 << 17
_BASE = 0x9E3779B97F4A7C15
_MASK = (1 << 64) - 1

Samples = NDArray[np.integer]
Hashes = NDArray[np.uint64]
Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Landmarks:
    """Holds landmarks of one recording, sorted by channel and position; all arrays have the same length.

    ``position`` is the index of the first sample of the hashed window, in samples of that channel.
    """

    hash: Hashes
    channel: NDArray[np.int32]
    position: Positions

    def of_channels(self, kept: list[int]) -> "Landmarks":
        """Returns only the landmarks of the channels ``kept``."""
        mask = np.isin(self.channel, kept)
        return Landmarks(self.hash[mask], self.channel[mask], self.position[mask])


def spacing(rate_hz: float) -> int:
    """Returns the samples between landmarks, odd, so that a shared run of one second has one."""
    return min(max(MIN_SPACING, (round(rate_hz) - WINDOW) // 2 * 2 - 1), MAX_SPACING)


def guaranteed_run(rate_hz: float) -> int:
    """Returns the shortest run of equal differences that is sure to be found:
    a second, or 80 at a low rate.
    """
    return max(round(rate_hz), WINDOW + spacing(rate_hz) - 1)


def step_of(samples: Samples) -> int:
    """Returns the greatest common divisor of the first differences; 1 for a flat signal."""
    head = np.diff(samples[:4096].astype(np.int64))
    step = int(np.gcd.reduce(head)) if len(head) else 0
    if step != 1 and len(samples) > 4096:
        step = int(np.gcd.reduce(np.diff(samples.astype(np.int64)), initial=step))
    return step or 1


def landmarks(digital: Samples, rate_hz: float) -> Landmarks:
    """Sketch a recording.

    Args:
        digital: integers [channels, samples].
        rate_hz: samples per second of every channel; it sets the density of the sketch only.
    """
    size = spacing(rate_hz)
    found = [_channel(row, size) for row in digital]
    lengths = [len(hashes) for hashes, _ in found]
    return Landmarks(
        np.concatenate([hashes for hashes, _ in found] or [np.empty(0, np.uint64)]),
        np.repeat(np.arange(len(found), dtype=np.int32), lengths),
        np.concatenate([positions for _, positions in found] or [np.empty(0, np.int64)]),
    )


def _channel(samples: Samples, size: int) -> tuple[Hashes, Positions]:
    """Returns the landmarks of one channel, block by block;
    the halo makes the blocks invisible in the result.
    """
    step, halo, n = step_of(samples), size, len(samples) - WINDOW
    hashes, positions = [np.empty(0, np.uint64)], [np.empty(0, np.int64)]
    for start in range(0, max(n, 0), _BLOCK):
        low, high = max(0, start - halo), min(n, start + _BLOCK + halo)
        block_hashes, block_positions = _winnow(samples[low : high + WINDOW], step, size)
        inside = (block_positions + low >= start) & (block_positions + low < start + _BLOCK)
        hashes.append(block_hashes[inside])
        positions.append(block_positions[inside] + low)
    return _without_periodic(np.concatenate(hashes), np.concatenate(positions), size)


def _winnow(samples: Samples, step: int, size: int) -> tuple[Hashes, Positions]:
    differences = np.diff(samples.astype(np.int64)) // step
    hashes = _rolling_hash(differences)
    # a float64 holds 53 bits exactly: enough to order by, and the filters work on floats
    order = (hashes >> np.uint64(12)).astype(np.float64)
    order[~_informative(differences)] = np.inf
    lowest = minimum_filter1d(order, size, mode="constant", cval=np.inf)
    # a sample is the minimum of some window around it exactly when the largest such minimum is its own
    chosen = maximum_filter1d(lowest, size, mode="constant", cval=-np.inf) == order
    positions = np.flatnonzero(chosen & np.isfinite(order))
    return hashes[positions], positions


def _rolling_hash(differences: Positions) -> Hashes:
    """Hash of every window of differences [n] -> [n - WINDOW + 1]; equal for a window and its negative."""
    powers, inverses = _powers()
    n = len(differences)
    prefix = np.zeros(n + 1, np.uint64)
    np.cumsum(differences.view(np.uint64) * powers[:n], out=prefix[1:])
    hashes = (prefix[WINDOW:] - prefix[:-WINDOW]) * inverses[: n - WINDOW + 1]
    hashes = np.minimum(hashes, np.uint64(0) - hashes)
    # the finaliser of SplitMix64 (Steele, Lea & Flood 2014) spreads the high bits over the order
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))


@cache
def _powers() -> tuple[Hashes, Hashes]:
    """Returns the powers of the odd base and of its inverse modulo 2^64,
    as far as one block with its halo needs.
    """
    n = 2 * _BLOCK
    tables = []
    for base in (_BASE, pow(_BASE, -1, _MASK + 1)):
        table = np.full(n, base, np.uint64)
        table[0] = 1
        tables.append(np.cumprod(table))
    return tables[0], tables[1]


def _informative(differences: Positions) -> NDArray[np.bool_]:
    """Says whether each window of differences moves often enough to be recognised again."""
    changed = (differences[1:] != differences[:-1]) & (differences[1:] != 0)
    count = np.zeros(len(differences), np.int64)
    np.cumsum(changed, out=count[1:])
    return count[WINDOW - 1 :] - count[: 1 - WINDOW] >= MIN_CHANGES


def _without_periodic(hashes: Hashes, positions: Positions, size: int) -> tuple[Hashes, Positions]:
    """Drop landmarks that recur within one spacing: a calibration square or a rail-to-rail hum."""
    order = np.lexsort((positions, hashes))
    near = (np.diff(positions[order]) < size) & (hashes[order][1:] == hashes[order][:-1])
    dropped = np.zeros(len(hashes), np.bool_)
    dropped[order[1:][near]] = True
    dropped[order[:-1][near]] = True
    return hashes[~dropped], positions[~dropped]
