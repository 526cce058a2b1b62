"""Leads a sweep: starts its workers, sees what becomes of the trials, and ends them when it is told to.

This process opens no database and starts no thread, for it forks a worker whenever one was killed.
"""

import contextlib
import gc
import math
import os
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from blut_assets.cli.sweep.apart import forked
from blut_assets.sweeps.record import SweepRecord, Trial
from blut_resources.machine import liveness
from blut_resources.machine.processes import children, descendants
from blut_resources.runs.hang_up import end_on_hang_up, interrupt

LOOK_S = 0.1
LAST_S = 10.0
"""Seconds that workers get to end after their payloads were killed."""
HOPELESS = 3
"""Workers that died before they took a trial, after which no other is started; also of what adds trials."""


class SweepTold:
    """Says what happens to whoever has typed the command; each is a sentence or less."""

    def trial(self, trial: Trial, trials: dict[int, Trial]) -> None:
        """Say how a trial has ended."""

    def line(self, text: str) -> None:
        """Say something else."""

    def moves(self, trials: dict[int, Trial]) -> None:
        """Show how far it is; called every moment."""


@dataclass
class Leader:
    """Leads one session of a sweep.

    Attributes:
        mark: of this process at the record, taken before anything was written there; removed at the end.
        work: what a worker does, in a process of its own.
        cancel: ends runs at once, in a process of its own.
        jobs: workers at once.
        begun: called once it leads, before the first trial begins.
        fail_fast: whether the first failure ends the others.
        until: the time on the clock, in seconds since 1970, from which on no trial begins.
        beside: what adds trials while others run, in a process of its own, which is started again if it is
            killed, unless nothing has come of it for several times; None where all are there from the start.
    """

    record: SweepRecord
    mark: liveness.Mark
    work: Callable[[], object]
    cancel: Callable[[Sequence[str]], object]
    jobs: int
    told: SweepTold
    begun: Callable[[], object]
    fail_fast: bool = False
    until: float | None = None
    beside: Callable[[], object] | None = None
    interrupts: int = 0
    late: bool = False
    _workers: set[int] = field(default_factory=set)
    _ended: set[tuple[int, str]] = field(default_factory=set)
    _died: int = 0
    _beside: int = 0
    _beside_died: int = 0
    _came_of_it: tuple[int, int] = (0, 0)
    _kill_at: float = math.inf

    def lead(self, again: Sequence[int]) -> dict[int, Trial]:
        """Have the trials run, those of ``again`` too, which have ended before; returns all of them.

        Ctrl-C once lets no trial begin and ends those at work, with time for a checkpoint; twice without.
        """
        try:
            begun = {"what": "session", "jobs": self.jobs, "leader": liveness.this_process().line()}
            begun |= {"grows": True} if self.beside else {}
            self.record.say(begun, *([{"what": "again", "trials": [*again]}] if again else ()))
            known = self.record.trials()
            self._ended = {(one.number, one.run_id) for one in known.values() if one.state == "ended"}
            self.begun()
            gc.collect()
            gc.freeze()  # workers share the pages of this process as long as nobody writes to them
            self._heed(self._go_on)
            return self.record.trials()
        finally:
            self._kill()
            self._end_beside()
            self.mark.remove()

    def _heed(self, go_on: Callable[[], bool]) -> None:
        """Go on until there is nothing to do; an interrupt changes what that is."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, interrupt)
        end_on_hang_up()
        while True:
            try:
                while go_on():
                    time.sleep(LOOK_S)
                return
            except KeyboardInterrupt:
                self.interrupts += 1
                with contextlib.suppress(KeyboardInterrupt):
                    self._interrupted()

    def _go_on(self) -> bool:
        self._reap()
        known = self.record.trials()
        for trial in known.values():
            if trial.state == "ended" and (trial.number, trial.run_id) not in self._ended:
                self._ended.add((trial.number, trial.run_id))
                self.told.trial(trial, known)
                if self.fail_fast and trial.failed:
                    self._signal(signal.SIGINT)  # the worker has seen to it that none begins
        if self.until is not None and time.time() >= self.until and not self.record.stopped:
            self.late = True
            self.record.stop("its deadline has come")
        waiting = sum(one.state == "waiting" for one in known.values())
        there = waiting or not self.record.closed
        if self.beside and not self._beside and not self.record.closed and not self.record.stopped:
            self._beside = forked(self.beside)
        if there and not self.record.stopped and self._died < HOPELESS:
            at_work = sum(one.state == "running" for one in known.values())
            wanted = min(self.jobs, at_work + waiting) if self.record.closed else self.jobs
            while len(self._workers) < wanted:
                self._workers.add(forked(self.work))
        self.told.moves(known)
        if time.monotonic() > self._kill_at:
            self._cancel()
        return bool(self._workers)

    def _reap(self) -> None:
        """Take notice of workers that have ended; what one was at when it was killed is lost."""
        if self._beside:
            ended, status = os.waitpid(self._beside, os.WNOHANG)
            if ended:
                self._beside = 0
                self._count_beside(os.waitstatus_to_exitcode(status))
        for pid in sorted(self._workers):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            self._workers.discard(pid)
            code = os.waitstatus_to_exitcode(status)
            had = [
                one
                for one in self.record.trials().values()
                if one.worker == pid and (one.number, one.run_id) not in self._ended
            ]
            if not had and code != 0:
                self._died += 1
                if self._died == HOPELESS:
                    self.told.line(
                        f"no worker is started any more: {HOPELESS} died before they took a trial; the last"
                        f" one {_died_of(code)}"
                    )
            for one in had:
                if one.state == "running":
                    how = ("lost", f"its worker, process {pid}, {_died_of(code)}")
                    how = ("cancelled", "interrupted") if self.interrupts else how
                    self.record.end(one.number, *how, run=one.run_id)

    def _count_beside(self, code: int) -> None:
        """Let what adds trials not be started again for ever, where it dies without having done anything."""
        known = self.record.trials()
        if self.record.closed or self.record.stopped:
            return
        came = (len(known), sum(len(one.attempts) for one in known.values()))
        self._beside_died = self._beside_died + 1 if came == self._came_of_it else 1
        self._came_of_it = came
        if self._beside_died == HOPELESS:
            self.record.stop(
                f"what chooses the trials died {HOPELESS} times with nothing done; the last time it"
                f" {_died_of(code)}; the same command goes on"
            )

    def _interrupted(self) -> None:
        if not self.record.stopped:
            self.record.stop("interrupted")
        running = [one for one in self.record.trials().values() if one.state == "running"]
        count = f"{len(running)} at work {'is' if len(running) == 1 else 'are'}"
        if self.interrupts == 1:
            self.told.line(
                f"interrupted: no trial begins any more; {count} ended, with time for a checkpoint;"
                " once more, and they get none"
                if running
                else "interrupted: no trial begins any more"
            )
            self._signal(signal.SIGINT)
            return
        self.told.line(f"interrupted again: {count} ended now")
        if self.interrupts == 2:
            self._kill_at = time.monotonic() + LAST_S
            for worker in self._workers:
                _kill_payloads(worker)
        else:
            self._kill_at = time.monotonic()

    def _cancel(self) -> None:
        """End what has not ended although its payloads were killed, such as one on another machine."""
        runs = [one.run_id for one in self.record.trials().values() if one.state == "running"]
        os.waitpid(forked(lambda: self.cancel(runs)), 0)
        self._kill()

    def _end_beside(self) -> None:
        if self._beside:
            os.kill(self._beside, signal.SIGKILL)  # it has no child, and whole lines are all that it leaves
            os.waitpid(self._beside, 0)
            self._beside = 0

    def _signal(self, number: signal.Signals) -> None:
        for pid in self._workers:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _kill(self) -> None:
        """End workers that are still there, at once."""
        self._signal(signal.SIGKILL)
        while self._workers:
            self._reap()
            time.sleep(LOOK_S)


def _died_of(code: int) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with status {code}"


def _kill_payloads(worker: int) -> None:
    """End at once what a worker runs, but for the supervisors, which tell it what became of that."""
    supervisors = children(worker)
    for pid in descendants(worker) - supervisors:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
