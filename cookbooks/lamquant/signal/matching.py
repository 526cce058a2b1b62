"""Finds equal stretches by equal landmarks: candidate pairs, then the samples themselves."""

import heapq
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.reading import Samples, Window
from cookbooks.lamquant.signal.winnow import WINDOW

_BAND = 8
_PIECE = 1024
_STRIDE = 1 << 12
"""Differences compared at a time."""
_MIN_BYTES = 64
"""What a piece of a run must still hold after deflate; squares and hum fall to 15-55, a second of EEG
to 110 and more."""

_Line = tuple[int, int, int]
"""A channel, the channel of the other recording, and the polarity: 1 or -1."""
_Span = tuple[int, int]


@dataclass(frozen=True)
class EqualStretch:
    """Says that ``length`` samples from ``starts[0]`` of one channel equal those from ``starts[1]`` of
    another.
    """

    channels: tuple[int, int]
    starts: tuple[int, int]
    length: int


@dataclass(frozen=True)
class Side:
    """Holds one of two recordings that are compared: its samples, and the step of each channel."""

    window: Window
    steps: Sequence[int]


def candidates(hashes: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find pairs of indices with the same hash; in large families each with its neighbours.

    A family of up to eight yields all its pairs; beyond that every member is paired with the seven that
    follow and with the first, which is enough to join the family and keeps the pairs linear in number.
    """
    order = np.argsort(hashes, kind="stable")
    hashes = hashes[order]
    new = np.flatnonzero(np.diff(hashes, prepend=~hashes[:1]) != 0)
    first = np.repeat(new, np.diff(new, append=len(hashes)))
    index = np.arange(len(hashes))
    found = [np.stack([index[:-r], index[r:]], axis=1)[hashes[:-r] == hashes[r:]] for r in range(1, _BAND)]
    far = index - first >= _BAND
    found.append(np.stack([first[far], index[far]], axis=1))
    pairs = order[np.concatenate(found)]
    return pairs[:, 0], pairs[:, 1]


def verified(pairs: NDArray[np.int64], first: Side, second: Side, shortest: int) -> list[EqualStretch]:
    """Grow candidate pairs [n, (channel, position, channel, position)] into runs of equal differences.

    Runs of fewer than ``shortest`` differences, or without content of their own, are left out. Only the
    samples around the candidates are read, and as far as they agree.
    """
    lags = pairs[:, 3] - pairs[:, 1]
    pairs = pairs[np.lexsort((pairs[:, 1], lags))]
    cuts = np.flatnonzero(np.diff(lags[np.argsort(lags, kind="stable")])) + 1
    found: list[EqualStretch] = []
    for group in np.split(pairs, cuts) if len(pairs) else []:
        lag = int(group[0, 3] - group[0, 1])
        for (channel, other, _), (low, high) in _Lag(lag, first, second).runs(group):
            if high - low >= shortest and _has_content(first.window, channel, low, high):
                found.append(EqualStretch((channel, other), (low, low + lag), high - low + 1))
    return sorted(found, key=lambda run: (run.channels, run.starts))


class _Lag:
    """Compares two recordings at one lag, a stride at a time, where there is reason to."""

    def __init__(self, lag: int, first: Side, second: Side) -> None:
        self._lag, self._first, self._second = lag, first, second
        n, m = first.window.signal.n_samples, second.window.signal.n_samples
        self._low, self._high = max(0, -lag), min(n, m - lag) - 1
        self._spans: dict[_Line, list[_Span]] = defaultdict(list)

    def runs(self, pairs: NDArray[np.int64]) -> Iterator[tuple[_Line, _Span]]:
        """Yield the longest runs of equal differences that hold a candidate of ``pairs``."""
        seeds: dict[int, dict[tuple[int, int], list[int]]] = defaultdict(lambda: defaultdict(list))
        for channel, position, other, _ in pairs.tolist():
            seeds[position // _STRIDE][channel, other].append(position)
        queue, done = sorted(seeds), set[tuple[int, int, int]]()
        while queue:
            stride = heapq.heappop(queue)
            low, high = max(self._low, stride * _STRIDE), min(self._high, (stride + 1) * _STRIDE)
            if low >= high or stride not in seeds:
                continue
            x = self._first.window.read(low, high + 1)
            y = self._second.window.read(low + self._lag, high + 1 + self._lag)
            for (channel, other), positions in seeds.pop(stride).items():
                if (stride, channel, other) in done:
                    continue
                done.add((stride, channel, other))
                gains = self._second.steps[other], self._first.steps[channel]
                left = np.diff(x[channel].astype(np.int64)) * gains[0]
                right = np.diff(y[other].astype(np.int64)) * gains[1]
                ends = self._grow((channel, other), low, left, right, positions)
                for position in ends:
                    neighbour = stride - 1 if position < low else stride + 1
                    if self._low <= position < self._high and (neighbour, channel, other) not in done:
                        seeds[neighbour][channel, other].append(position)
                        heapq.heappush(queue, neighbour)
        starts = _by_channels(pairs)
        for line, spans in self._spans.items():
            for low, high in _joined(spans):
                at = starts[line[:2]]
                index = np.searchsorted(at, low)
                if index < len(at) and at[index] + WINDOW <= high:
                    yield line, (low, high)

    def _grow(
        self, channels: tuple[int, int], low: int, left: NDArray, right: NDArray, positions: list[int]
    ) -> set[int]:
        """Note the equal spans of one stride; returns the differences beyond it that they may go on to."""
        ends: set[int] = set()
        at = np.array(positions) - low
        for sign in (1, -1):
            same = left == sign * right
            edges = np.flatnonzero(np.diff(same, prepend=False, append=False)).reshape(-1, 2)
            inside = np.searchsorted(edges[:, 0], at, side="right") - 1
            held = np.unique(inside[(inside >= 0) & (at < edges[inside, 1])]) if len(edges) else at[:0]
            # a stretch at the edge of a stride may belong to a run of the next one, whose seed lies there
            touching = np.flatnonzero((edges[:, 0] == 0) | (edges[:, 1] == len(same)))
            for start, stop in edges[np.union1d(held, touching)].tolist():
                self._spans[*channels, sign].append((low + start, low + stop))
            for start, stop in edges[held].tolist():
                if stop - start >= min(WINDOW, len(same)) or start == 0 or stop == len(same):
                    ends |= {low - 1} if start == 0 else set()
                    ends |= {low + len(same)} if stop == len(same) else set()
        return ends


def _by_channels(pairs: NDArray[np.int64]) -> dict[tuple[int, int], NDArray[np.int64]]:
    """Returns the rising positions of each pair of channels."""
    found: dict[tuple[int, int], list[int]] = defaultdict(list)
    for channel, position, other, _ in pairs.tolist():
        found[channel, other].append(position)
    return {channels: np.unique(positions) for channels, positions in found.items()}


def _joined(spans: Iterable[_Span]) -> Iterator[_Span]:
    """Yield spans, those that touch as one."""
    low = high = -1
    for start, stop in sorted(spans):
        if start > high and high >= 0:
            yield low, high
        low, high = (start, stop) if start > high or high < 0 else (low, max(high, stop))
    if high >= 0:
        yield low, high


def _has_content(window: Window, channel: int, low: int, high: int) -> bool:
    """Says whether a run could tell where it comes from: a calibration square or hum equals any other one."""
    for start in range(low, high, _PIECE):
        samples: Samples = window.read(start, min(start + _PIECE, high) + 1)[channel]
        if len(zlib.compress(np.diff(samples.astype(np.int64)).astype("<i2").tobytes(), 6)) >= _MIN_BYTES:
            return True
    return False
