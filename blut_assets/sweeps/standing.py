"""Says how a sweep stands: how many of its trials have ended, how, and which was the best."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.record import FAILED, SUCCEEDED, SweepRecord, Trial

WORDS = {
    "failed": "failed",
    "refused": "refused",
    "deadline": "ended at their deadline",
    "lost": "lost with their worker",
    "cancelled": "cancelled",
    "pruned": "pruned",
}
DONE = (SUCCEEDED, "pruned")


@dataclass(frozen=True)
class SweepStanding:
    """Counts the trials of a sweep: all, those at work, those that wait, and by outcome."""

    total: int
    running: int
    waiting: int
    outcomes: Mapping[str, int]

    @property
    def done(self) -> int:
        """Returns how many need not run again."""
        return sum(self.outcomes.get(one, 0) for one in DONE)

    @property
    def failed(self) -> int:
        """Returns how many somebody has to look at."""
        return sum(self.outcomes.get(one, 0) for one in FAILED)

    @property
    def left(self) -> int:
        """Returns how many are not done."""
        return self.total - self.done

    def words(self) -> str:
        """Returns a few words, such as ``17/40, 2 failed``."""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done + self.failed}/{self.total}{failed}"

    def sentence(self) -> str:
        """Returns how many ended how, such as ``24 of 27 trials succeeded, 2 failed, 1 was not begun``."""
        parts = [f"{self.outcomes.get(SUCCEEDED, 0)} of {self.total} trials succeeded"]
        parts += [f"{count} {WORDS.get(one, one)}" for one in WORDS if (count := self.outcomes.get(one, 0))]
        parts += [f"{self.running} at work"] if self.running else []
        parts += [f"{self.waiting} not begun"] if self.waiting else []
        return ", ".join(parts)


def standing(trials: Iterable[Trial]) -> SweepStanding:
    """Returns how trials stand."""
    known = list(trials)
    states = Counter(one.state for one in known)
    outcomes = Counter(one.outcome for one in known if one.state == "ended")
    return SweepStanding(len(known), states["running"], states["waiting"], outcomes)


def state_of(record: SweepRecord) -> str:
    """Returns how a sweep stands, in the words in which a run does: ``started``, ``success``, ``failure``,
    ``canceled``, or ``unknown`` where its process cannot be seen from here.
    """
    if (answer := record.leads()) != "no":
        return "started" if answer == "yes" else "unknown"
    how = standing(record.trials().values())
    if how.failed:
        return "failure"
    return "success" if how.done == how.total else "canceled"


@dataclass(frozen=True)
class BestTrial:
    """Holds the trial of a sweep with the best value of the metric of its recipe."""

    trial: Trial
    metric: str
    value: float

    def words(self) -> str:
        """Returns it in a line."""
        args = words_of(self.trial.overrides)
        return (
            f"{self.metric}={self.value:.4g}, trial {self.trial.number} ({args}), run {self.trial.run_id[:8]}"
        )


def best_of(record: SweepRecord, trials: Iterable[Trial]) -> BestTrial | None:
    """Returns the best of the trials that succeeded; None where none has the metric of the recipe."""
    try:
        metric: Any = record.head().get("metric")
    except (OSError, ValueError):
        return None
    return next(iter(ranked(trials, metric)), None) if metric else None


def ranked(trials: Iterable[Trial], metric: Mapping[str, str]) -> Sequence[BestTrial]:
    """Returns the trials that succeeded and have a value of a metric, the best one first.

    Args:
        metric: ``fact`` and ``best`` (``highest`` or ``lowest``), and ``only_if``, a fact that must be true.
    """
    found = [
        BestTrial(one, metric["fact"], float(value))
        for one in trials
        if one.state == "ended" and one.outcome == SUCCEEDED
        if isinstance(value := one.facts.get(metric["fact"]), int | float) and math.isfinite(value)
        if not metric.get("only_if") or one.facts.get(metric["only_if"]) is True
    ]
    sign = -1 if metric.get("best") == "highest" else 1
    return sorted(found, key=lambda one: (sign * one.value, one.trial.number))
