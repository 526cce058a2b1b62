"""Says how a sweep stands: how many of its trials have ended, how, and which was the best."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.record import FAILED, SUCCEEDED, SweepRecord, Trial, records

WORDS = {
    "failed": "failed",
    "refused": "refused",
    "deadline": "ended at their deadline",
    "lost": "lost with their worker",
    "cancelled": "cancelled",
    "pruned": "pruned",
}
DONE = (SUCCEEDED, "pruned")
ENDED_EARLY = ("deadline", "lost", "cancelled")
"""Outcomes of a trial that was not to end yet."""


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
    ``cancelled``, or ``unknown`` where its process cannot be seen from here.
    """
    if (answer := record.leads()) != "no":
        return "started" if answer == "yes" else "unknown"
    how = standing(record.trials().values())
    if how.failed:
        return "failure"
    return "success" if how.done == how.total else "cancelled"


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


def needed(home: Path) -> set[str]:
    """Returns the digests of what the sweeps of a home need: of one that has come to its end what its best
    trial made, else what all have made, so that whoever goes on with it need not compute that again.
    """
    return {digest for record in records(home) for digest in _needed(record)}


def _needed(record: SweepRecord) -> Iterator[str]:
    trials = [*record.trials().values()]
    if all(one.state == "ended" and one.outcome not in ENDED_EARLY for one in trials):
        best = best_of(record, trials)
        trials = [best.trial] if best else []
    for one in trials:
        if isinstance(digest := one.facts.get("digest"), str):
            yield digest
