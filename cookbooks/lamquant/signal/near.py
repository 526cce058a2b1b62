"""Finds recordings that are copies of one another after a filter, a gain, a resampling or a new reference.

Landmarks that survive those (``peaks``) vote for a pair of recordings and a lag; a pair with votes at
several times is then compared: ten seconds around a vote, at the common rate and in the common band, by the
normalised cross-correlation. Unrelated EEG correlates by less than 0.5 there. Stretches that resemble
themselves at another time (calibration, a pure rhythm) prove nothing.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import resample_poly

from cookbooks.lamquant.signal.common_rate import COMMON_HZ, stretch_at_common_rate
from cookbooks.lamquant.signal.derivations import CHANNEL, Derivations
from cookbooks.lamquant.signal.findings import SAME_RECORDING, SharedContent
from cookbooks.lamquant.signal.pairing import grouped
from cookbooks.lamquant.signal.reading import Signal
from cookbooks.lamquant.signal.spool import Spool

VOTES = 3
"""Landmarks at different times that have to agree on a lag before samples are compared."""
MATCH = 0.9
"""Correlation from which a stretch is the same signal."""
STRETCH_S, SHORTEST_S = 10.0, 2.0
_LAGS, _TRIED = 2, 6
"""Lags compared of two recordings, and stretches compared at each."""
_PIECES, _ENOUGH = 4, 3
"""Pieces of a stretch, and how many in a row have to agree by ``_PIECE_MATCH``."""
_PIECE_MATCH = 0.8
_BIN_MS = 200
_APART_MS = 250
"""Votes closer than this count as one: the waves of a recording have peaks in common."""
_SLACK_S, _EDGE_S = 0.3, 0.1
_FINE = 8
_REPEATS = 0.9
_PATIENCE = 16
"""Comparisons in vain after which a recording needs more agreeing landmarks than it had in any of them."""
_LANDMARK_S = 1.5
_UNCHANGED = 0.1
"""Share of votes by plain channels from which the reference counts as unchanged."""

_Wave = NDArray[np.float64]


def near_duplicates(
    pairs: Spool,
    owners: Sequence[str | None],
    load: Callable[[str], Signal],
    known: Mapping[tuple[str, ...], str],
) -> Iterator[SharedContent]:
    """Yield the near-duplicates among candidate pairs of landmarks (``PAIR``, positions in milliseconds).

    Args:
        pairs: candidates of different recordings.
        owners: the names of the recordings.
        load: opens one.
        known: kind of finding by the pairs of recordings that are known to share equal samples; of these
            only those that share trials, and are the same recording besides, are told again.
    """
    failures = _Failures()
    for part in pairs.families():
        for names, votes in grouped(_agreeing(part), owners):
            if known.get(names) in ("recording", "lagged_channel"):
                continue
            lags = _best_lags(votes)
            if not lags or failures.expect(names, _times(lags[0])):
                continue
            found = _compared(names, lags, load(names[0]), load(names[1]))
            if found is None:
                failures.note(names, _times(lags[0]))
            elif names not in known or found.kind == "near_recording":
                yield found


class _Failures:
    """Remembers whose landmarks led nowhere: a rhythm that many recordings share must not cost a comparison
    of each with each.
    """

    def __init__(self) -> None:
        self._count: Counter[str] = Counter()
        self._most: Counter[str] = Counter()

    def note(self, names: tuple[str, str], times: int) -> None:
        """Note a comparison in vain, and at how many times landmarks had agreed."""
        for name in names:
            self._count[name] += 1
            self._most[name] = max(self._most[name], times)

    def expect(self, names: tuple[str, str], times: int) -> bool:
        """Says that either has failed often, and with as many agreeing landmarks."""
        return any(self._count[name] >= _PATIENCE and times <= self._most[name] for name in names)


def _agreeing(pairs: NDArray) -> NDArray:
    """Returns the pairs whose lag at least ``VOTES`` pairs of the same recordings have, within a bin."""
    lag = pairs["other_position"] - pairs["position"]
    agree = np.zeros(len(pairs), np.bool_)
    for shift in (0, _BIN_MS // 2):
        columns = (pairs["first"], pairs["second"], (lag + shift) // _BIN_MS)
        order = np.lexsort(columns)
        new = np.ones(len(pairs), np.bool_)
        new[1:] = np.any([column[order][1:] != column[order][:-1] for column in columns], axis=0)
        size = np.diff(np.flatnonzero(new), append=len(pairs))
        agree[order] |= np.repeat(size >= VOTES, size)
    return pairs[agree]


@dataclass(frozen=True)
class _Likeness:
    """Says how two stretches compare; ``gain`` in microvolts, negative where inverted."""

    correlation: float
    gain: float
    lag_s: float


def _compared(
    names: tuple[str, str], lags: list[NDArray], first: Signal, second: Signal
) -> SharedContent | None:
    waves = Derivations(first.channels), Derivations(second.channels)
    for votes in lags:
        low, high = float(votes["position"].min()) / 1000, float(votes["position"].max()) / 1000
        found: list[_Likeness] = []
        for tried, vote in enumerate(_spread(votes)):
            if tried == _TRIED // 2 and not found:
                break
            like = _likeness(vote, (low - _EDGE_S, high + _LANDMARK_S), (first, second), waves)
            if like is not None and like.correlation >= MATCH:
                found.append(like)
        if found:
            return _finding(names, votes, found, (first, second), waves)
    return None


def _best_lags(votes: NDArray) -> list[NDArray]:
    """Returns the votes of the lags with most votes at different times, best first."""
    lag = votes["other_position"] - votes["position"]
    groups = []
    for shift in (0, _BIN_MS // 2):
        bins = (lag + shift) // _BIN_MS
        values, counts = np.unique(bins, return_counts=True)
        for value in values[counts >= VOTES]:
            group = votes[bins == value]
            if (times := _times(group)) >= VOTES:
                groups.append((-times, int(value), shift, group))
    groups.sort(key=lambda entry: entry[:3])
    return [group for *_, group in groups[:_LAGS]]


def _times(votes: NDArray) -> int:
    """Returns at how many different times there are votes."""
    return len(np.unique(votes["position"] // _APART_MS))


def _spread(votes: NDArray) -> NDArray:
    """Returns a few votes, spread over time."""
    votes = votes[np.argsort(votes["position"], kind="stable")]
    return votes[np.unique(np.linspace(0, len(votes) - 1, _TRIED).round().astype(int))]


def _likeness(
    vote: np.void,
    span_s: tuple[float, float],
    signals: tuple[Signal, Signal],
    waves: tuple[Derivations, Derivations],
) -> _Likeness | None:
    """Compares the waves of a vote around it, within the votes' span of the first recording; none where that
    is too short or proves nothing.
    """
    middle = float(vote["position"]) / 1000 + _LANDMARK_S / 2
    lag = float(vote["other_position"] - vote["position"]) / 1000
    lengths = [signal.n_samples / signal.rate_hz for signal in signals]
    low = max(middle - STRETCH_S / 2, span_s[0], _EDGE_S - lag)
    high = min(middle + STRETCH_S / 2, span_s[1], lengths[0], lengths[1] - lag - _EDGE_S)
    if high - low < SHORTEST_S:
        return None
    x_start, x = stretch_at_common_rate(signals[0], low, high)
    y_start, y = stretch_at_common_rate(signals[1], x_start + lag - _SLACK_S, high + lag + _SLACK_S)
    one, other = waves[0].one(x, int(vote["channel"])), waves[1].one(y, int(vote["other"]))
    return _alike(one, *_best_match(one, other, y_start - x_start))


def _best_match(one: _Wave, other: _Wave, begin_s: float) -> tuple[_Wave, float]:
    """Returns the part of a longer wave that is most like ``one``, and its lag in seconds."""
    fine = resample_poly(other, _FINE, 1)
    best, part, lag = -1.0, one[:0], 0.0
    for phase in range(_FINE):
        row = fine[phase::_FINE]
        if not 0 < len(one) <= len(row):
            continue
        energy = np.concatenate([[0.0], np.cumsum(row**2)])
        values = np.abs(np.correlate(row, one, "valid"))
        values /= np.sqrt(np.maximum(energy[len(one) :] - energy[: len(values)], 1e-12))
        at = int(np.argmax(values))
        if values[at] > best:
            best, part = float(values[at]), row[at : at + len(one)]
            lag = begin_s + (at + phase / _FINE) / COMMON_HZ
    return part, lag


def _alike(one: _Wave, other: _Wave, lag_s: float) -> _Likeness | None:
    """Compares two aligned waves piece by piece; the longest part in which all agree has to prove something.

    Whole stretches alone would not do: a large artefact, or a calibration that ends in one of them, outweighs
    all the rest.
    """
    if not len(other):
        return None
    sign = 1.0 if one @ other >= 0 else -1.0
    edges = np.linspace(0, len(one), _PIECES + 1).round().astype(int)
    agree = [sign * _correlation(one[a:b], other[a:b]) >= _PIECE_MATCH for a, b in itertools.pairwise(edges)]
    runs = [(a, b) for a in range(_PIECES) for b in range(a + _ENOUGH, _PIECES + 1) if all(agree[a:b])]
    if not runs:
        return None
    first, last = max(runs, key=lambda run: run[1] - run[0])
    one, other = one[edges[first] : edges[last]], other[edges[first] : edges[last]]
    if _repeats(one) or _repeats(other):
        return None
    return _Likeness(sign * _correlation(one, other), float(one @ other / (one @ one)), lag_s)


def _correlation(one: _Wave, other: _Wave) -> float:
    return float(one @ other / np.sqrt(max((one @ one) * (other @ other), 1e-12)))


def _repeats(wave: _Wave) -> bool:
    """Says whether a wave resembles itself half a second or more later, or does not move at all."""
    n = len(wave)
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    if energy[-1] == 0:
        return True
    lags = np.arange(COMMON_HZ // 2, round(0.6 * n))
    products = np.correlate(wave, wave, "full")[n - 1 + lags]
    norms = np.sqrt(energy[n - lags] * (energy[-1] - energy[lags]))
    return bool((products >= _REPEATS * norms).any())


def _finding(
    names: tuple[str, str],
    votes: NDArray,
    found: list[_Likeness],
    signals: tuple[Signal, Signal],
    waves: tuple[Derivations, Derivations],
) -> SharedContent:
    shortest = min(signal.n_samples / signal.rate_hz for signal in signals)
    seconds = min(shortest, float(np.ptp(votes["position"])) / 1000 + _LANDMARK_S)
    kinds = [(waves[0].kind(int(v["channel"])), waves[1].kind(int(v["other"]))) for v in votes]
    likeliest = max(sorted(set(kinds)), key=kinds.count)
    if kinds.count((CHANNEL, CHANNEL)) >= _UNCHANGED * len(kinds):
        likeliest = (CHANNEL, CHANNEL)
    best = max(found, key=lambda like: like.correlation)
    return SharedContent(
        "near_recording" if seconds >= SAME_RECORDING * shortest else "near_trial",
        names,
        {
            "correlation": round(best.correlation, 3),
            "gain": round(best.gain, 3),
            "lag_s": round(best.lag_s, 3),
            "rates_hz": [signal.rate_hz for signal in signals],
            "waves": list(likeliest),
            "seconds": round(seconds, 3),
            "coverage": round(seconds / shortest, 4),
        },
    )
