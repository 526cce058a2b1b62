"""Chooses a controller's operating points on the validation recordings, and on nothing else.

``events`` is for alarms: the fewest false ones at the sensitivity that is asked for. ``rate`` is for levels:
the fewest bytes at an equal error in critical frames, as `economy` estimates them. A missed seizure costs
more there than a false alarm.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.economy import rate_advantage, relative_power
from cookbooks.lamquant.controller.figures import EventFigures, alarms, auc, event_figures
from cookbooks.lamquant.controller.scores import FrameScores
from cookbooks.lamquant.controller.states import CRITICAL, NEVER, Point, StateStream
from cookbooks.lamquant.labels.frames import SEEN_INTERESTING, UNLABELLED

_SHARES = (0.005, 0.01, 0.02, 0.04, 0.06, 0.09, 0.13, 0.18, 0.24, 0.32, 0.42, 0.55, 0.7)
_INTERESTING_PRECISION = 0.5


@dataclass(frozen=True)
class PointRequest:
    """Says what points are chosen for.

    Attributes:
        base: all of a point but its thresholds.
        sensitivity: of events, that ``events`` must reach on the validation recordings.
        levels: of QUIET, BASELINE, INTERESTING and CRITICAL, that ``rate`` is chosen for.
    """

    base: Point
    sensitivity: float
    levels: tuple[int, int, int, int]


@dataclass(frozen=True)
class Calibrated:
    """Holds the points of one model and its figures at them, on the validation recordings."""

    points: dict[str, Point]
    auc: float
    events: EventFigures
    rate_advantage: float
    critical_share: float

    def described(self) -> dict[str, Any]:
        """Returns it as it stands in ``controller.json``."""
        measured = {
            "auc": self.auc,
            "event_sensitivity": self.events.sensitivity,
            "fa_per_h": self.events.fa_per_h,
            "events": self.events.events,
            "hours": self.events.hours,
            "estimated_rate_advantage": self.rate_advantage,
            "critical_share": self.critical_share,
        }
        return {"points": {name: asdict(p) for name, p in self.points.items()}, "validation": measured}


def calibrate(
    scores: Sequence[FrameScores], labels: Sequence[NDArray[np.uint8]], wanted: PointRequest, frame_ms: int
) -> Calibrated:
    """Returns the operating points for the scores of one model."""
    interesting = _interesting(scores, labels)
    base = replace(wanted.base, interesting=interesting)
    critical = [one.log_odds[:, 0] for one in scores]
    events, figures = _events_point(critical, labels, base, wanted.sensitivity, frame_ms)
    rate, advantage, share = _rate_point(scores, labels, base, wanted.levels, frame_ms)
    return Calibrated({"events": events, "rate": rate}, auc(critical, labels), figures, advantage, share)


def _thresholds(critical: Sequence[NDArray[np.int32]]) -> list[int]:
    every = np.concatenate(critical)
    return sorted({int(one) for one in np.quantile(every, 1 - np.array(_SHARES))}, reverse=True)


def _events_point(
    critical: Sequence[NDArray[np.int32]],
    labels: Sequence[NDArray[np.uint8]],
    base: Point,
    sensitivity: float,
    frame_ms: int,
) -> tuple[Point, EventFigures]:
    """Returns the point with the fewest false alarms of those that find enough; if none does, that which
    finds most."""

    def figures(threshold: int) -> EventFigures:
        raised = [alarms(s, threshold, base.min_event_s, base.merge_s, frame_ms) for s in critical]
        return event_figures(raised, labels, frame_ms)

    def worth(found: EventFigures) -> tuple[float, float]:
        if found.sensitivity >= sensitivity:
            return 1.0, -found.fa_per_h
        return 0.0, found.sensitivity

    every = np.concatenate(critical)
    tried = sorted({int(one) for one in np.quantile(every, np.linspace(0.3, 0.999, 120))})
    found = {threshold: figures(threshold) for threshold in tried}
    best = max(worth(one) for one in found.values())
    equal = [threshold for threshold, one in found.items() if worth(one) == best]
    # the middle of those that do equally well is the farthest from doing worse
    chosen = equal[len(equal) // 2]
    return replace(base, critical=chosen), found[chosen]


def _rate_point(
    scores: Sequence[FrameScores],
    labels: Sequence[NDArray[np.uint8]],
    base: Point,
    levels: tuple[int, int, int, int],
    frame_ms: int,
) -> tuple[Point, float, float]:
    powers = [relative_power(one.loud) for one in scores]
    best: tuple[float, float, Point] | None = None
    for point in _points(_thresholds([one.log_odds[:, 0] for one in scores]), base):
        states = [states_of(one, point, frame_ms) for one in scores]
        worth = rate_advantage(states, labels, powers, levels)
        if best is None or worth > best[0]:
            best = worth, float(np.mean(np.concatenate(states) == CRITICAL)), point
    assert best is not None
    return best[2], best[0], best[1]


def _points(thresholds: Sequence[int], base: Point) -> Iterator[Point]:
    for critical in thresholds:
        for maybe in (NEVER, *(one for one in thresholds if one < critical)):
            yield replace(base, critical=critical, maybe=maybe)


def states_of(scores: FrameScores, point: Point, frame_ms: int) -> NDArray[np.uint8]:
    """Returns the states of a whole recording at a point."""
    stream = StateStream(point, frame_ms)
    return np.concatenate([stream.push(scores), stream.finish()])


def _interesting(scores: Sequence[FrameScores], labels: Sequence[NDArray[np.uint8]]) -> int:
    """Returns the least threshold from which on half of the frames are interesting; never, without such."""
    known = np.concatenate(labels) != UNLABELLED
    score = np.concatenate([one.log_odds[:, 1] for one in scores])[known]
    marked = (np.concatenate(labels) == SEEN_INTERESTING)[known]
    order = np.argsort(-score, kind="stable")
    precision = np.cumsum(marked[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero((precision >= _INTERESTING_PRECISION) & marked[order])
    return int(score[order][enough[-1]]) if len(enough) else NEVER
