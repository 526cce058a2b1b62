"""Measures decisions against labels; frames without a label count nowhere."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.labels.frames import SEEN_CRITICAL, UNLABELLED, runs


def auc(scores: Sequence[NDArray[np.integer]], labels: Sequence[NDArray[np.uint8]]) -> float:
    """Returns the area under the ROC curve over all frames; NaN without frames of either kind."""
    if not labels:
        return float("nan")
    known = [y != UNLABELLED for y in labels]
    s = np.concatenate([one[k] for one, k in zip(scores, known, strict=True)])
    y = np.concatenate([one[k] for one, k in zip(labels, known, strict=True)]) == SEEN_CRITICAL
    positive, negative = np.sort(s[y]), int((~y).sum())
    if not len(positive) or not negative:
        return float("nan")
    below = np.searchsorted(positive, s[~y], "left")
    above = len(positive) - np.searchsorted(positive, s[~y], "right")
    ties = len(positive) - below - above
    return float((above + 0.5 * ties).sum() / (len(positive) * negative))


def alarms(
    scores: NDArray[np.integer], threshold: int, min_event_s: float, merge_s: float, frame_ms: int
) -> list[tuple[int, int]]:
    """Returns first frame and end of each alarm: at least so long, and those close to each other as one."""
    found: list[tuple[int, int]] = []
    for begin, end in runs((scores >= threshold).astype(np.uint8), 1):
        if found and (begin - found[-1][1]) * frame_ms < 1000 * merge_s:
            found[-1] = found[-1][0], end
        else:
            found.append((begin, end))
    return [(begin, end) for begin, end in found if (end - begin) * frame_ms >= 1000 * min_event_s]


class EventFigures(NamedTuple):
    """Holds events that were found and missed, false alarms, and hours with a label."""

    found: int
    events: int
    false_alarms: int
    hours: float

    @property
    def sensitivity(self) -> float:
        """Returns the share of events that an alarm overlaps; NaN without events."""
        return self.found / self.events if self.events else float("nan")

    @property
    def fa_per_h(self) -> float:
        """Returns false alarms for each hour with a label; NaN without one."""
        return self.false_alarms / self.hours if self.hours else float("nan")


def event_figures(
    raised: Sequence[Sequence[tuple[int, int]]], labels: Sequence[NDArray[np.uint8]], frame_ms: int
) -> EventFigures:
    """Returns how alarms of recordings meet their critical events, by any overlap.

    An alarm that lies in frames without a label alone is neither right nor false.
    """
    found = events = false = frames = 0
    for own, y in zip(raised, labels, strict=True):
        true = runs(y, SEEN_CRITICAL)
        events += len(true)
        found += sum(any(a < end and begin < b for a, b in own) for begin, end in true)
        for begin, end in own:
            seen = y[begin:end]
            false += bool((seen != UNLABELLED).any()) and not (seen == SEEN_CRITICAL).any()
        frames += int((y != UNLABELLED).sum())
    return EventFigures(found, events, false, frames * frame_ms / 3_600_000)
