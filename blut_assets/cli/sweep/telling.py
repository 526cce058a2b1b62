"""Says on the terminal how a sweep goes: a line for each trial that has ended, and a table at the end."""

import contextlib
import os
import shutil
import sys
import time
from collections.abc import Mapping

from blut_assets.cli.sweep.leading import SweepTold
from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.record import SUCCEEDED, SweepRecord, Trial
from blut_assets.sweeps.standing import SweepStanding, best_of, standing
from blut_assets.terminal.output import LineTimes, columns, duration
from blut_resources.screen import CLEAR, redraws
from blut_resources.text import one_line, output

WHY_MAX = 300
REPAINT_S = 0.5


class SweepProgress(SweepTold):
    """Writes to standard error: in a pipe a line for each trial, on a terminal also how far the sweep is."""

    def __init__(self, record: SweepRecord, title: str) -> None:
        self._record, self._title = record, title
        self._live, self._clock = redraws(sys.stderr), LineTimes()
        self._begun = self._painted = time.monotonic()

    def trial(self, trial: Trial, trials: Mapping[int, Trial]) -> None:
        """Say how a trial has ended, and why."""
        took = f" after {duration(trial.seconds)}" if trial.seconds is not None else ""
        why = f": {one_line(trial.why)[:WHY_MAX]}" if trial.why and trial.outcome != "cancelled" else ""
        run = f", run {trial.run_id[:8]}" if trial.run_id else ""
        self.line(f"{named(trial)} {trial.outcome}{took}{run}{why}")

    def line(self, text: str) -> None:
        """Write a line with the time before it."""
        clear = CLEAR if self._live else ""
        self._write(f"{clear}{self._clock.line(time.time(), output(text))}\n")

    def moves(self, trials: Mapping[int, Trial]) -> None:
        """Show on a terminal how far the sweep is."""
        if self._live and time.monotonic() - self._painted > REPAINT_S:
            self._painted = time.monotonic()
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{CLEAR}{one_line(self._words(trials))[:width]}")

    def over(self) -> None:
        """Remove the line that moves."""
        if self._live:
            self._write(CLEAR)

    def _words(self, trials: Mapping[int, Trial]) -> str:
        at_work = [one for one in trials.values() if one.state == "running"]
        beside = ", ".join(f"{one.number} ({words_of(one.overrides)})" for one in at_work[:3])
        took = duration(time.monotonic() - self._begun)
        return f"{self._title} {standing(trials.values()).words()}  {took}  at work: {beside or '-'}"

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be there to read it any more
            os.write(2, text.encode(errors="replace"))


def named(trial: Trial) -> str:
    """Returns a trial as people know it: its number, partition and overrides."""
    part = f"[{trial.partition}]" if trial.partition is not None else ""
    return f"trial {trial.number}{part} ({words_of(trial.overrides)})"


def summary(
    record: SweepRecord, recipe: str, trials: Mapping[int, Trial], how: SweepStanding, what: str = "sweep"
) -> list[str]:
    """Returns what is said at the end: each trial that did not succeed, the best, and counts."""
    others = [one for one in trials.values() if one.state == "ended" and one.outcome != SUCCEEDED]
    lines = [columns([_row(one) for one in others])] if others else []
    best = best_of(record, trials.values())
    if best:
        lines.append(f"best: {best.words()}")
    lines.append(f"{what} {record.short} of {recipe}: {how.sentence()}")
    if how.left:
        resume = f", and so does `blut sweep resume {record.short}`" if what == "sweep" else ""
        lines.append(f"the same command goes on where it was{resume}")
    return lines


def next_of(record: SweepRecord, how: SweepStanding) -> dict[str, str]:
    """Returns what to type after a sweep: command -> what it shows."""
    failed = {f"blut sweep show {record.short} --failed": "what the others died of"} if how.failed else {}
    best = {f"blut sweep best {record.short}": "the best, and the command that runs it by itself"}
    return {
        **failed,
        f"blut sweep results {record.short}": "all trials, the best first",
        **(best if best_of(record, record.trials().values()) else {}),
        "blut ui": "the same with pictures, in a browser",
    }


def _row(trial: Trial) -> dict[str, str]:
    return {
        "trial": str(trial.number),
        "args": words_of(trial.overrides) + (f" [{trial.partition}]" if trial.partition else ""),
        "outcome": trial.outcome,
        "run": trial.run_id[:8],
        "why": one_line(trial.why)[:WHY_MAX],
    }
