"""Finds equal stretches by equal landmarks: candidate pairs, then the samples themselves."""

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.landmarks import step_of

_BAND = 8
_PIECE = 1024
_MIN_BYTES = 64
"""What a piece of a run must still hold after deflate; squares and hum fall to 15-55, a second of EEG
to 110 and more."""

Samples = NDArray[np.integer]
Pairs = NDArray[np.int64]


@dataclass(frozen=True)
class Run:
    """Says that ``length`` samples from ``starts[0]`` of one channel equal those from ``starts[1]`` of
    another.
    """

    channels: tuple[int, int]
    starts: tuple[int, int]
    length: int


def candidates(hashes: NDArray[np.uint64], places: Pairs) -> Pairs:
    """Find pairs of places [n, 3] with the same hash -> [m, 6];
    in large families each with its neighbours.

    A family of up to eight yields all its pairs; beyond that every member is paired with the seven that
    follow and with the first, which is enough to join the family and keeps the pairs linear in number.
    """
    order = np.argsort(hashes, kind="stable")
    hashes, places = hashes[order], places[order]
    new = np.flatnonzero(np.diff(hashes, prepend=~hashes[:1]) != 0)
    first = np.repeat(new, np.diff(new, append=len(hashes)))
    index = np.arange(len(hashes))
    found = [np.stack([index[:-r], index[r:]], axis=1)[hashes[:-r] == hashes[r:]] for r in range(1, _BAND)]
    far = index - first >= _BAND
    found.append(np.stack([first[far], index[far]], axis=1))
    pairs = np.concatenate(found)
    return np.concatenate([places[pairs[:, 0]], places[pairs[:, 1]]], axis=1)


def verified(pairs: Pairs, first: Samples, second: Samples, shortest: int) -> list[Run]:
    """Grow candidate pairs [n, (channel, position, channel, position)] into runs of equal differences.

    Runs of fewer than ``shortest`` differences, or without content of their own, are left out.
    """
    lags = pairs[:, 3] - pairs[:, 1]
    pairs = pairs[np.lexsort((pairs[:, 1], lags, pairs[:, 2], pairs[:, 0]))]
    steps: dict[tuple[int, int], int] = {}
    runs: list[Run] = []
    line, end = (-1, -1, 0), 0
    for channel, position, other, other_position in pairs.tolist():
        lag = other_position - position
        if line == (channel, other, lag) and position < end:
            continue
        line = (channel, other, lag)
        for side, row in ((0, channel), (1, other)):
            if (side, row) not in steps:
                steps[side, row] = step_of((first, second)[side][row])
        gains = steps[1, other], steps[0, channel]
        before, after = _grow(first[channel], second[other], position, other_position, gains)
        end = position + after
        start = position - before
        if before + after >= shortest and _has_content(first[channel, start : position + after + 1]):
            runs.append(Run((channel, other), (start, start + lag), before + after + 1))
    return runs


def _grow(x: Samples, y: Samples, p: int, q: int, gains: tuple[int, int]) -> tuple[int, int]:
    """Measure how far the differences of x at p and of y at q agree, backwards and forwards, in samples."""
    size = min(32, len(x) - p - 1, len(y) - q - 1)
    head = np.diff(x[p : p + size + 1].astype(np.int64)) * gains[0]
    sign = 1 if np.array_equal(head, np.diff(y[q : q + size + 1].astype(np.int64)) * gains[1]) else -1
    after = _agreement(x[p:], y[q:], gains[0], sign * gains[1])
    before = _agreement(x[: p + 1][::-1], y[: q + 1][::-1], gains[0], sign * gains[1])
    return before, after


def _agreement(x: Samples, y: Samples, gain_x: int, gain_y: int) -> int:
    """Returns the length of the common beginning of two series of differences, compared in growing pieces."""
    n, done, size = min(len(x), len(y)) - 1, 0, 256
    while done < n:
        stop = min(n, done + size)
        left = np.diff(x[done : stop + 1].astype(np.int64)) * gain_x
        differing = np.flatnonzero(left != np.diff(y[done : stop + 1].astype(np.int64)) * gain_y)
        if len(differing):
            return done + int(differing[0])
        done, size = stop, size * 4
    return done


def _has_content(samples: Samples) -> bool:
    """Says whether a run could tell where it comes from: a calibration square or hum equals any other one."""
    differences = np.diff(samples.astype(np.int64)).astype("<i2")
    pieces = (differences[start : start + _PIECE].tobytes() for start in range(0, len(differences), _PIECE))
    return any(len(zlib.compress(piece, 6)) >= _MIN_BYTES for piece in pieces)
