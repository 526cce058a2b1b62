"""Finds recordings that are copies of one another after a filter, a gain, a resampling or a new reference.

Landmarks that survive those (``peaks``) vote for a pair of recordings and a lag; a pair with votes at
several times is then compared: ten seconds around a vote, at the common rate and in the common band, by the
normalised cross-correlation. Unrelated EEG correlates by less than 0.5 there. Stretches that resemble
themselves at another time (calibration, a pure rhythm) prove nothing.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.derivations import CHANNEL
from cookbooks.lamquant.signal.findings import SAME_RECORDING, SharedContent
from cookbooks.lamquant.signal.likeness import LANDMARK_S, STRETCH_S, Compared, Likeness
from cookbooks.lamquant.signal.pairing import grouped
from cookbooks.lamquant.signal.reading import Signal
from cookbooks.lamquant.signal.spool import Spool

VOTES = 3
"""Landmarks at different times that have to agree on a lag before samples are compared."""
_LAGS, _TRIED = 2, 6
"""Lags compared of two recordings, and stretches compared at each."""
_PROOFS = 2
"""Stretches that agree after which no more are compared."""
_BIN_MS = 200
_APART_MS = 250
"""Votes closer than this count as one: the waves of a recording have peaks in common."""
_PATIENCE = 16
"""Comparisons in vain after which a recording needs more agreeing landmarks than it had in any of them."""
_UNCHANGED = 0.1
"""Share of votes by plain channels from which the reference counts as unchanged."""


def near_duplicates(
    pairs: Spool,
    owners: Sequence[str | None],
    load: Callable[[str], Signal],
    known: Mapping[tuple[str, ...], str],
) -> Iterator[SharedContent]:
    """Yield the near-duplicates among candidate pairs of landmarks (``PAIR``, positions in milliseconds).

    Of many copies of one recording each is told with one other, not each with each.

    Args:
        pairs: candidates of different recordings.
        owners: the names of the recordings.
        load: opens one.
        known: kind of finding by the pairs of recordings that are known to share equal samples; of these
            only those that share trials, and are the same recording besides, are told again.
    """
    failures, joined = _Failures(), _Joined()
    for members, kind in known.items():
        if kind == "recording" and len(members) == 2:
            joined.join((members[0], members[1]))
    for part in pairs.families():
        for names, votes in grouped(_agreeing(part), owners):
            if known.get(names) == "lagged_channel":
                continue
            lags = _best_lags(votes)
            if not lags or joined.are(names) or failures.expect(names, _times(lags[0])):
                continue
            found = _compared(names, lags, load(names[0]), load(names[1]))
            if found is None:
                failures.note(names, _times(lags[0]))
            elif names not in known or found.kind == "near_recording":
                yield found
            if found is not None and found.kind == "near_recording":
                joined.join(names)


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


class _Joined:
    """Remembers which recordings are copies of one another, through any number of others."""

    def __init__(self) -> None:
        self._above: dict[str, str] = {}

    def are(self, names: tuple[str, str]) -> bool:
        """Says that two recordings are joined already."""
        return self._first(names[0]) == self._first(names[1])

    def join(self, names: tuple[str, str]) -> None:
        """Make one group of the groups of two recordings."""
        self._above[self._first(names[1])] = self._first(names[0])

    def _first(self, name: str) -> str:
        while (above := self._above.get(name, name)) != name:
            self._above[name] = name = self._above.get(above, above)
        return name


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


def _compared(
    names: tuple[str, str], lags: list[NDArray], first: Signal, second: Signal
) -> SharedContent | None:
    two = Compared((first, second))
    for votes in lags:
        span = float(votes["position"].min()) / 1000, float(votes["position"].max()) / 1000 + LANDMARK_S
        found: list[Likeness] = []
        for tried, vote in enumerate(_spread(votes)):
            if len(found) == _PROOFS or (tried == _TRIED // 2 and not found):
                break
            like = two.around(vote, span)
            if like is not None:
                found.append(like)
        if found:
            best = max(found, key=lambda like: like.correlation)
            return _finding(names, votes, best, two, _reach(votes[0], span, two))
    return None


def _reach(vote: np.void, span_s: tuple[float, float], two: Compared) -> float:
    """Returns the seconds from the first to the last vote, or to the ends of what overlaps, if those agree.

    Where many recordings share a landmark each has few votes with each other.
    """
    start, stop = two.overlap(vote)
    low, high = span_s
    for edge, middle in ((start, start + STRETCH_S / 2), (stop, stop - STRETCH_S / 2)):
        moved = vote.copy()
        moved["position"] = round(1000 * (middle - LANDMARK_S / 2))
        moved["other_position"] = moved["position"] + (vote["other_position"] - vote["position"])
        if two.around(moved, (start, stop)) is not None:
            low, high = min(low, edge), max(high, edge)
    return min(high, stop) - max(low, start)


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


def _finding(
    names: tuple[str, str], votes: NDArray, best: Likeness, two: Compared, seconds: float
) -> SharedContent:
    shortest = min(two.lengths)
    kinds = [two.kinds(vote) for vote in votes]
    likeliest = max(sorted(set(kinds)), key=kinds.count)
    if kinds.count((CHANNEL, CHANNEL)) >= _UNCHANGED * len(kinds):
        likeliest = (CHANNEL, CHANNEL)
    return SharedContent(
        "near_recording" if seconds >= SAME_RECORDING * shortest else "near_trial",
        names,
        {
            "correlation": round(best.correlation, 3),
            "gain": round(best.gain, 3),
            "lag_s": round(best.lag_s, 3),
            "rates_hz": [signal.rate_hz for signal in two.signals],
            "waves": list(likeliest),
            "seconds": round(seconds, 3),
            "coverage": round(seconds / shortest, 4),
        },
    )
