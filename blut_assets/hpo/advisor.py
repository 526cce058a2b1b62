"""Adds the trials of a search while others run: what is tried next, which goes on, when it is over."""

import math
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from blut_assets.hpo.journal import Journal
from blut_assets.hpo.rungs import Climber, Ladder, promoted
from blut_assets.hpo.sampling import How, Sampling, Tried
from blut_assets.hpo.space import within
from blut_assets.sweeps.grid import name_of
from blut_assets.sweeps.record import SUCCEEDED, NewTrial, SweepRecord, Trial, TrialAttempt
from blut_resources.runs.epochs import epochs
from blut_resources.runs.files import status_path
from blut_resources.runs.pruning import WORD as PRUNED
from blut_resources.runs.pruning import ask_to_prune, pruned_for
from blut_resources.text import meant, one_line

LOOK_S = 0.05


@dataclass(frozen=True)
class Search:
    """Says what is searched.

    Attributes:
        trials: how many there are to be in all.
        metric: a fact of the result, or of the last epoch of ``asset``.
        asset: whose training is compared while it goes on; empty where none is.
        ladder: the rungs; None where no trial pauses.
        least: epochs after which a trial may be given up that is worse than the median; None for never.
        at_once: so many at a time.
    """

    sampling: Sampling
    trials: int
    metric: str
    asset: str = ""
    ladder: Ladder | None = None
    least: int | None = None
    at_once: int = 1


class NoValue(Exception):
    """Says that a trial has nothing to be compared by, and what it has."""


@dataclass
class Advisor:
    """Leads one search by its record; whoever starts it anew goes on where another has ended."""

    record: SweepRecord
    search: Search
    _curves: dict[str, dict[int, float]] = field(default_factory=dict)

    def advise(self) -> None:
        """Add trials until there are enough, as long as the process lives that has begun this one."""
        leader = os.getppid()
        os.setpgid(0, 0)  # Ctrl-C on the terminal is for whoever leads
        journal = Journal(self.record.place, self.record.id, self.search.sampling)
        try:
            while os.getppid() == leader and not self._over(journal):
                time.sleep(LOOK_S)
        except Exception as error:
            what = "" if isinstance(error, NoValue) else f"{type(error).__name__}: "
            self.record.stop(one_line(f"{what}{error}"))

    def _over(self, journal: Journal) -> bool:
        """Do what is to be done now; says whether that was all."""
        known = self.record.trials()
        if self.record.stopped or self.record.closed:
            return True
        journal.tell(self._attempts(known))
        self._give_up(known)
        while sum(one.state != "ended" for one in known.values()) < self.search.at_once:
            if not self._one_more(known):
                break
            known = self.record.trials()
        if any(one.state != "ended" for one in known.values()) or self._climbs(known, last=True):
            return False
        self.record.close()
        return True

    def _one_more(self, known: Mapping[int, Trial]) -> bool:
        """Let a trial go on, or add one; says whether there was one."""
        if self._climbs(known):
            return True
        number = max(known, default=0) + 1
        if number > self.search.trials:
            return False
        values = self.search.sampling.next(number, [self._tried(one) for one in known.values()])
        if values is None:
            return False
        budget = self._budget(self.search.ladder.rungs(number)[0], number) if self.search.ladder else None
        self.record.add([NewTrial(values, None, name_of(values), budget)], closed=False)
        return True

    def _give_up(self, known: Mapping[int, Trial]) -> None:
        """Have trials given up that are worse than the median of those that have ended."""
        least, home = self.search.least, self.record.home
        if least is None:
            return
        for one in (one for one in known.values() if one.state == "running"):
            curve = {} if pruned_for(home, one.run_id) else self._read(one.run_id)
            if not curve or max(curve) < least:
                continue
            now = Tried(one.number, one.overrides, "running", curve, one.run_id)
            others = [self._tried(other) for other in known.values() if other.state == "ended"]
            if self.search.sampling.gives_up(now, others, least):
                said = f"{self.search.metric} of {curve[max(curve)]:.4g} after {max(curve)} epochs"
                ask_to_prune(home, one.run_id, f"{said} is worse than the median of the trials before")

    def _climbs(self, known: Mapping[int, Trial], *, last: bool = False) -> bool:
        if self.search.ladder is None:
            return False
        sign = -1 if self.search.sampling.maximize else 1
        climbers = [
            Climber(
                one.number,
                {rung: sign * value for rung, value in self._reached(one, self.search.ladder).items()},
                one.state == "ended" and one.outcome == PRUNED,
            )
            for one in known.values()
        ]
        found = promoted(climbers, self.search.ladder, last=last)
        if found:
            self.record.go_on(found[0], self._budget(found[1], found[0]))
        return found is not None

    def _budget(self, rung: int, number: int) -> int | None:
        """Returns the epochs after which a trial pauses; None where it goes to its end."""
        ladder = self.search.ladder
        return None if ladder is None or rung == ladder.rungs(number)[-1] else rung

    def _reached(self, trial: Trial, steps: Ladder) -> dict[int, float]:
        """Returns what was measured at each rung that a trial has reached."""
        found: dict[int, float] = {}
        for attempt in trial.attempts:
            curve = self._curve(attempt)
            for rung in steps.rungs(trial.number):
                before = [epoch for epoch in curve if epoch <= rung]
                if before and max(curve) >= rung:
                    found[rung] = curve[max(before)]
            if attempt.outcome == SUCCEEDED and self._has(attempt):
                found[steps.rungs(trial.number)[-1]] = self._value(attempt)
        return found

    def _tried(self, trial: Trial) -> Tried:
        """Returns what is to be learned of a trial."""
        worth = [one for one in trial.attempts if one.outcome == PRUNED or self._has(one)]
        how: How = "fail"
        measured, value = dict[int, float](), None
        if not within(self.search.sampling.dimensions, trial.overrides):
            pass
        elif worth:
            last = worth[-1]
            how = "pruned" if last.outcome == PRUNED else "complete"
            measured = self._curve(last)
            value = None if how == "pruned" else self._value(last)
        elif trial.state != "ended":
            how = "running"
        return Tried(trial.number, trial.overrides, how, measured, trial.run_id, value)

    def _attempts(self, known: Mapping[int, Trial]) -> list[Tried]:
        """Returns every attempt that has ended, in the order of their ends."""
        own = self.search.sampling.dimensions
        found = [
            (attempt.ended, trial, attempt)
            for trial in known.values()
            if within(own, trial.overrides)
            for attempt in trial.attempts
        ]
        return [self._ended(trial, attempt) for _, trial, attempt in sorted(found, key=lambda one: one[0])]

    def _ended(self, trial: Trial, attempt: TrialAttempt) -> Tried:
        how: How = "pruned" if attempt.outcome == PRUNED else "complete" if self._has(attempt) else "fail"
        measured = {} if how == "fail" else self._curve(attempt)
        value = self._value(attempt) if how == "complete" else None
        return Tried(trial.number, trial.overrides, how, measured, attempt.run_id, value)

    def _has(self, attempt: TrialAttempt) -> bool:
        """Says whether an attempt came to a value: also one whose result a gate has refused.

        Raises:
            NoValue: it succeeded, and has nothing of that name; ``nan`` is something.
        """
        if attempt.outcome == SUCCEEDED and self.search.metric not in attempt.facts:
            raise NoValue(self._words(attempt.facts, "a result"))
        return attempt.outcome in (SUCCEEDED, "refused") and self._number(attempt) is not None

    def _number(self, attempt: TrialAttempt) -> float | None:
        value = attempt.facts.get(self.search.metric)
        return float(value) if _is_number(value) else None

    def _value(self, attempt: TrialAttempt) -> float:
        value = self._number(attempt)
        assert value is not None
        return value

    def _curve(self, attempt: TrialAttempt) -> dict[int, float]:
        """Returns what was measured after each epoch, also of those of earlier attempts.

        Raises:
            NoValue: it was paused, and no epoch has the metric.
        """
        if attempt.run_id not in self._curves:
            curve = self._read(attempt.run_id)
            if not curve and attempt.outcome == PRUNED and self.search.metric not in attempt.facts:
                raise NoValue(self._words(attempt.facts, f"an epoch of {self.search.asset}"))
            self._curves[attempt.run_id] = curve
        return self._curves[attempt.run_id]

    def _read(self, run_id: str) -> dict[int, float]:
        rows = epochs(status_path(self.record.home, run_id)).get(self.search.asset, [])
        measured = {row["epoch"]: row.get(self.search.metric) for row in rows}
        return {epoch: float(value) for epoch, value in measured.items() if _is_number(value)}

    def _words(self, facts: Mapping[str, Any], what: str) -> str:
        metric = self.search.metric
        there = [
            name for name, value in facts.items() if _is_number(value) and name not in ("epoch", "timestamp")
        ]
        known = ", ".join(there) or "no numbers"
        return f"--metric {metric}{meant(metric, there)}: {what} has no such number; it has {known}"


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
