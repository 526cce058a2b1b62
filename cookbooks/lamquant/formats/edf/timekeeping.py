"""Finds the gaps of a recording by the times that its data records carry.

In EDF+ each record begins with its own time. What the header says (``EDF+C``, ``EDF+D``) is what a writer
meant; whether there is a gap is told by the times.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import NamedTuple

TOLERANCE = 0.25
"""Of a sample: less is rounding, more is a gap, unless the times of the file jitter anyway."""
JITTER, MOST_JITTER_S = 6, 0.02
"""A step that is so many times as far off as a common one is a gap; and whatever is further off than this."""
MOST_DRIFT_S = 0.5
"""A clock that runs at another speed than the samples may come this far before a new segment begins."""


class Onset(NamedTuple):
    """Holds when a data record begins, in seconds, and with how many decimals that is written."""

    seconds: float
    decimals: int


@dataclass(frozen=True)
class Segment:
    """Holds a stretch without a gap: ``first_record`` and those after it, and when it begins."""

    index: int
    first_record: int
    n_records: int
    onset_s: float
    n_samples: int


def even_step(onsets: Sequence[Onset | None]) -> float | None:
    """Returns the time from record to record where most of the steps agree, else None."""
    steps = Counter(round(b.seconds - a.seconds, 6) for a, b in pairwise(onsets) if a and b)
    if not steps:
        return None
    step, count = steps.most_common(1)[0]
    return step if step > 0 and 2 * count > steps.total() else None


def find_segments(
    onsets: Sequence[Onset | None],
    n_records: int,
    duration_s: float,
    samples_per_record: int,
    *,
    says_gaps: bool = False,
) -> list[Segment]:
    """Returns the segments of a recording; one where the times show no gap.

    A record without a time belongs to those around it where their times leave no gap. At a gap nobody knows
    on which side of it such a record lies: it is a segment of its own, from when it could begin at the
    earliest.

    Args:
        onsets: of each record, None where a record does not say; empty where no record does.
        n_records: data records of the recording.
        duration_s: length of one.
        samples_per_record: of the channels that are taken.
        says_gaps: whether the file says that it has gaps; then one can be before the first time and after
            the last.
    """
    tolerance = TOLERANCE * duration_s / samples_per_record + _rounding(onsets, duration_s)
    tolerance = max(tolerance, min(JITTER * _jitter(onsets), MOST_JITTER_S))
    starts, begins = _before_first(onsets, duration_s, tolerance, says_gaps)
    known, late = None, 0.0
    for index, onset in enumerate(onsets):
        if onset is None:
            continue
        expected = begins[-1] + (index - starts[-1]) * duration_s
        deviation = onset.seconds - expected
        step = deviation - late if known is not None else 0.0
        if abs(step) > tolerance or abs(deviation) > MOST_DRIFT_S + tolerance:
            _each_apart(starts, begins, range(index if known is None else known + 1, index), duration_s)
            starts.append(index)
            begins.append(onset.seconds)
            deviation = 0.0
        known, late = index, deviation
    if says_gaps and known is not None:
        _each_apart(starts, begins, range(known + 1, n_records), duration_s)
    ends = [*starts[1:], n_records]
    return [
        Segment(index, start, end - start, onset, (end - start) * samples_per_record)
        for index, (start, end, onset) in enumerate(zip(starts, ends, begins, strict=True))
    ]


def _each_apart(starts: list[int], begins: list[float], records: range, duration_s: float) -> None:
    """Add a segment at each of the records, at the time that follows from the one before."""
    for index in records:
        begins.append(begins[-1] + (index - starts[-1]) * duration_s)
        starts.append(index)


def _before_first(
    onsets: Sequence[Onset | None], duration_s: float, tolerance: float, says_gaps: bool
) -> tuple[list[int], list[float]]:
    """Returns the first record, and when it begins; of those without a time each, where a gap may follow."""
    for index, onset in enumerate(onsets):
        if onset is None:
            continue
        first = onset.seconds - index * duration_s
        if index and (says_gaps or first < -tolerance):
            begins = [max(0.0, first) + before * duration_s for before in range(index)]
            return [*range(index + 1)], [*begins, onset.seconds]
        return [0], [first]
    return [0], [0.0]


def _jitter(onsets: Sequence[Onset | None]) -> float:
    """Returns how far the steps from record to record are commonly off their middle."""
    steps = [b.seconds - a.seconds for a, b in pairwise(onsets) if a and b]
    if not steps:
        return 0.0
    middle = median(steps)
    return median(abs(step - middle) for step in steps)


def _rounding(onsets: Sequence[Onset | None], duration_s: float) -> float:
    """Returns how far rounding can move a step where the onsets have too few decimals for the duration."""
    decimals = max((onset.decimals for onset in onsets if onset), default=0)
    in_last_place = duration_s * 10**decimals
    exact = math.isclose(in_last_place, round(in_last_place), rel_tol=0, abs_tol=1e-6)
    return 0.0 if exact else 10.0**-decimals
