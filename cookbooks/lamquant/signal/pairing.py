"""Joins landmarks of equal hash, and hands back the pairs of two recordings together."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.signal.matching import candidates
from cookbooks.lamquant.signal.spool import Spool

PAIR = np.dtype(
    [
        *(("key", "<u8"), ("first", "<u4"), ("second", "<u4"), ("channel", "<u2"), ("position", "<i8")),
        *(("other", "<u2"), ("other_position", "<i8")),
    ]
)
"""Two landmarks of equal hash: owner, channel and position of each. ``key`` is equal for equal owners."""


def paired(family: NDArray) -> NDArray:
    """Returns the candidate pairs (``PAIR``) among landmarks, those of one hash being together.

    ``first`` is never larger than ``second``.
    """
    family = family[np.lexsort((family["position"], family["channel"], family["owner"]))]
    one, two = candidates(family["hash"])
    a, b = family[one], family[two]
    found = np.empty(len(a), PAIR)
    found["first"], found["channel"], found["position"] = a["owner"], a["channel"], a["position"]
    found["second"], found["other"], found["other_position"] = b["owner"], b["channel"], b["position"]
    # Fibonacci hashing (Knuth, TAOCP 6.4), folded: the low bits are spread evenly
    key = (found["first"].astype(np.uint64) << np.uint64(32) | found["second"]) * np.uint64(
        0x9E3779B97F4A7C15
    )
    found["key"] = key ^ (key >> np.uint64(32))
    return found


def thinned(pairs: NDArray, most: int) -> NDArray:
    """Returns the pairs with at most ``most`` of one lag of two channels, evenly spread."""
    lag = pairs["other_position"] - pairs["position"]
    order = np.lexsort((pairs["position"], lag, pairs["other"], pairs["channel"], pairs["key"]))
    pairs, lag = pairs[order], lag[order]
    start = _starts(lag, pairs["other"], pairs["channel"], pairs["key"])
    size = np.diff(start, append=len(pairs))
    place = np.arange(len(pairs)) - np.repeat(start, size)
    return pairs[place % np.repeat(-(-size // most), size) == 0]


def by_recordings(pairs: Spool, owners: Sequence[str | None]) -> Iterator[tuple[tuple[str, str], NDArray]]:
    """Yield the pairs of two recordings at a time, with their names."""
    for part in pairs.families():
        yield from grouped(part, owners)


def grouped(part: NDArray, owners: Sequence[str | None]) -> Iterator[tuple[tuple[str, str], NDArray]]:
    """Yield the pairs of two recordings at a time, with their names, from pairs in any order."""
    part = part[np.lexsort((part["second"], part["first"]))]
    for group in np.split(part, _starts(part["first"], part["second"])[1:]) if len(part) else []:
        first, second = (owners[int(group[side][0])] for side in ("first", "second"))
        assert first is not None and second is not None
        yield (first, second), group


def _starts(*columns: NDArray) -> NDArray[np.int64]:
    """Returns where a stretch of equal rows begins."""
    new = np.zeros(len(columns[0]), np.bool_)
    new[:1] = True
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)
