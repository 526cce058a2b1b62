"""Finds recordings that are copies of one another after a filter, a gain, a resampling or a new reference.

Landmarks that survive those (``peaks``) vote for a pair of recordings and a lag; a pair with votes at
several times is then compared: ten seconds around a vote, at the common rate and in the common band, by the
normalised cross-correlation. Unrelated EEG correlates by less than 0.5 there. Stretches that resemble
themselves at another time (calibration, a pure rhythm) prove nothing.
"""

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
STRETCH_S, SHORTEST_S = 10.0, 3.0
_LAGS = 3
"""Lags compared of two recordings, and stretches compared at each."""
_TRIED = 6
_BIN_MS = 200
_APART_MS = 250
"""Votes closer than this count as one: the waves of a recording have peaks in common."""
_SLACK_S, _EDGE_S = 0.3, 0.1
_FINE = 8
_REPEATS = 0.9
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
    for part in pairs.families():
        for names, votes in grouped(_agreeing(part), owners):
            if known.get(names) in ("recording", "lagged_channel"):
                continue
            found = _compared(names, votes, load(names[0]), load(names[1]))
            if found is not None and (names not in known or found.kind == "near_recording"):
                yield found


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
    """Says how two stretches compare: ``gain`` in microvolts, negative where inverted."""

    correlation: float
    gain: float
    lag_s: float


def _compared(names: tuple[str, str], votes: NDArray, first: Signal, second: Signal) -> SharedContent | None:
    for at_lag in _best_lags(votes):
        found: list[_Likeness] = []
        waves = Derivations(first.channels), Derivations(second.channels)
        for vote in _spread(at_lag):
            like = _likeness(vote, (first, second), waves)
            if like is not None and abs(like.correlation) >= MATCH:
                found.append(like)
        if found:
            return _finding(names, at_lag, found, (first, second), waves)
    return None


def _best_lags(votes: NDArray) -> list[NDArray]:
    """Returns the votes of the lags with most votes at different times, best first."""
    lag = votes["other_position"] - votes["position"]
    groups = []
    for shift in (0, _BIN_MS // 2):
        bins = (lag + shift) // _BIN_MS
        for value in np.unique(bins):
            group = votes[bins == value]
            times = len(np.unique(group["position"] // _APART_MS))
            if times >= VOTES:
                groups.append((-times, int(value), shift, group))
    groups.sort(key=lambda entry: entry[:3])
    return [group for *_, group in groups[:_LAGS]]


def _spread(votes: NDArray) -> NDArray:
    """Returns a few votes, spread over time."""
    votes = votes[np.argsort(votes["position"], kind="stable")]
    return votes[np.unique(np.linspace(0, len(votes) - 1, _TRIED).round().astype(int))]


def _likeness(
    vote: np.void, signals: tuple[Signal, Signal], waves: tuple[Derivations, Derivations]
) -> _Likeness | None:
    """Compares the waves of a vote around it; none where the stretch is too short or proves nothing."""
    middle = float(vote["position"]) / 1000 + _LANDMARK_S / 2
    lag = float(vote["other_position"] - vote["position"]) / 1000
    lengths = [signal.n_samples / signal.rate_hz for signal in signals]
    low = max(middle - STRETCH_S / 2, 0.0, _EDGE_S - lag)
    high = min(middle + STRETCH_S / 2, lengths[0], lengths[1] - lag - _EDGE_S)
    if high - low < SHORTEST_S:
        return None
    x_start, x = stretch_at_common_rate(signals[0], low, high)
    y_start, y = stretch_at_common_rate(signals[1], x_start + lag - _SLACK_S, high + lag + _SLACK_S)
    one = waves[0].one(x, int(vote["channel"]))
    other = waves[1].one(y, int(vote["other"]))
    if len(one) < SHORTEST_S * COMMON_HZ or _repeats(one):
        return None
    return _best_match(one, other, y_start - x_start)


def _repeats(wave: _Wave) -> bool:
    """Says whether a wave resembles itself at another time, or does not move at all."""
    energy = np.concatenate([[0.0], np.cumsum(wave**2)])
    for lag in range(COMMON_HZ // 2, len(wave) // 2):
        norm = np.sqrt(energy[-lag - 1] * (energy[-1] - energy[lag]))
        if norm == 0 or wave[lag:] @ wave[:-lag] >= _REPEATS * norm:
            return True
    return False


def _best_match(one: _Wave, other: _Wave, begin_s: float) -> _Likeness | None:
    """Compares a wave with a longer one at every lag, to an eighth of a sample."""
    fine = resample_poly(other, _FINE, 1)
    best: _Likeness | None = None
    norm = np.sqrt(one @ one)
    for phase in range(_FINE):
        row = fine[phase::_FINE]
        if len(row) < len(one):
            continue
        energy = np.concatenate([[0.0], np.cumsum(row**2)])
        products = np.correlate(row, one, "valid")
        norms = np.sqrt(energy[len(one) :] - energy[: len(products)])
        values = products / np.maximum(norms * norm, 1e-12)
        at = int(np.argmax(np.abs(values)))
        if best is None or abs(values[at]) > abs(best.correlation):
            lag = begin_s + (at + phase / _FINE) / COMMON_HZ
            best = _Likeness(float(values[at]), float(products[at] / norm**2), lag)
    return best


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
    best = max(found, key=lambda like: abs(like.correlation))
    return SharedContent(
        "near_recording" if seconds >= SAME_RECORDING * shortest else "near_trial",
        names,
        {
            "correlation": round(abs(best.correlation), 3),
            "gain": round(best.gain, 3),
            "lag_s": round(best.lag_s, 3),
            "rates_hz": [signal.rate_hz for signal in signals],
            "waves": list(likeliest),
            "seconds": round(seconds, 3),
            "coverage": round(seconds / shortest, 4),
        },
    )
