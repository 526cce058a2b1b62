"""Stands for a job on another machine as a unit does for a process tree on this one: heard, and ended."""

# What decides, in this order: what the job itself has left on the share; what the scheduler says; silence.
# Silence is never an end, or only after a long time: an empty answer, a controller that is restarted and a
# share that shows files late all look like a job that is gone, and a wrong "gone" costs a training.

import contextlib
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from blut_resources.containment.outcome import Outcome
from blut_resources.containment.unit import Enforcement
from blut_resources.launchers.base import LaunchRefused, NeverStarted
from blut_resources.launchers.files import CANCEL, NOT_STARTED, OUT, attempt_dir, write_durable
from blut_resources.launchers.job_files import JobFiles
from blut_resources.launchers.late_ending import MARGIN_S, end_later
from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.sight import Ends, Sight
from blut_resources.launchers.streams import merge
from blut_resources.launchers.transport import NoAnswer
from blut_resources.launchers.waiting import ASK_S, QueueTime, wait_for
from blut_resources.launchers.watch import watcher_of
from blut_resources.machine.flag import Flag

POLL_S = 0.05


class RemoteUnit:
    """Stands for a job of a scheduler; leaving it as a context manager ends it.

    Attributes:
        place: the directory of its files, on the share.
        job: the id that the scheduler has given it.
        is_left: whether it goes on, or ends, without this process, so that its files are to stay.
    """

    def __init__(
        self, place: Path, scheduler: Scheduler, launch: Mapping[str, Any], known: Mapping[str, Any]
    ) -> None:
        self.place, self.job, self.is_left = place, str(known["job"]), False
        self._scheduler, self._launch, self._known = scheduler, launch, known
        self._ends = Ends(known["memory"])
        self._files, self._queue = JobFiles(place), QueueTime()
        self._outcome: Outcome | None = None
        self._end_by = float("inf")
        self._pressed = ""
        self._fd, self._news = os.eventfd(0, os.EFD_CLOEXEC), Flag()
        self._reading = threading.RLock()
        self._watcher = watcher_of(scheduler)
        self._watcher.add(self)

    @property
    def enforcement(self) -> Enforcement:
        """Says what holds it on its node."""
        if (up := self._files.up) is None:
            return Enforcement(self._scheduler.name, None, contained=True)
        found = Enforcement(**up["enforcement"])
        other = up["environment"]
        said = f"{up['node']} has another environment: {other}" if other else ""
        return replace(found, notes="; ".join(filter(None, (found.notes, said))))

    def fileno(self) -> int:
        """Returns a descriptor that becomes readable when it has ended."""
        return self._fd

    def facts(self) -> dict[str, str | float]:
        """Returns where it runs, and how long it has waited for that."""
        node_name = str((self._files.up or {}).get("node") or self._queue.sight.node)
        facts = {"launcher": str(self._known["profile"]), "job_id": self.job, "node": node_name}
        known: dict[str, str | float] = {name: value for name, value in facts.items() if value}
        return known | {"queue_seconds": round(self._queue.seconds(), 1)}

    def describe(self) -> str:
        """Returns what a person calls it."""
        return f"{self._scheduler.name} job {self.job}"

    def settle(self, waits: Callable[[str], str]) -> None:
        """Find out how it stands; where its scheduler says that it has ended, wait until it is known how.

        Raises:
            NeverStarted: ``waits`` said why to wait no longer.
        """
        self.read()
        if self._outcome is None:
            with contextlib.suppress(NoAnswer):
                self.see(self._scheduler.look([self.job])[self.job])
        while self._outcome is None and self._queue.sight.state == "ended":
            wait_for(f"how {self.describe()} has ended is not to be seen yet", 10 * POLL_S, waits)

    def await_start(self, waits: Callable[[str], str]) -> None:
        """Wait until it runs.

        Raises:
            LaunchRefused: its node has other code, or cannot hold it.
            NeverStarted: it was ended before.
        """
        asked_at = 0.0
        while self._files.up is None:
            if self._outcome:
                if refused := self._files.refusal(self._files.newest()):
                    raise LaunchRefused(refused)
                raise NeverStarted(self._outcome)
            if time.monotonic() > asked_at:
                asked_at = time.monotonic() + ASK_S
                if waits(self.waiting()):
                    self.terminate()
            self._news.wait(ASK_S)

    def waiting(self) -> str:
        """Says what it waits for; empty once it runs."""
        if self._queue.silent:
            return f"waiting: {self._queue.silent} ({self.describe()})"
        if not self._queue.waits:
            return "" if self._files.up else f"waiting: {self.describe()} begins"
        sight = self._queue.sight
        why = sight.reason
        if sight.restarts:
            why = f"requeued by {self._scheduler.name} (restart {sight.restarts}): {why}"
        return f"waiting: {why} ({self.describe()})"

    def readings(self) -> list[dict[str, Any]]:
        """Returns what was measured of it since the last time."""
        return self._files.readings()

    def wait(self) -> Outcome:
        """Returns the outcome, as soon as it has ended; what it has written is in its ``out`` then."""
        while self._outcome is None:
            time.sleep(POLL_S)
        number = self._files.newest()
        if self._outcome.ok and number is not None and self._launch["own_out"]:
            merge(attempt_dir(self.place, number) / OUT, Path(self._launch["out"]))
        return self._outcome

    def peak(self) -> int | None:
        """Returns the bytes that it has used at most until now; None if nobody counts."""
        return self._outcome.peak if self._outcome else self._files.beat.get("peak")

    def broken(self) -> str:
        """Says what does not hold it any more; empty as long as all does."""
        return str(self._files.beat.get("broken") or "")

    def terminate(self) -> None:
        """Let it end, with time for a checkpoint. Returns at once."""
        self._end(self._launch["grace_s"])

    def close(self, grace_s: float | None = None) -> None:
        """End it, within another grace period if one is given. Idempotent."""
        if self._fd < 0:
            return
        try:
            if self._outcome is None:
                patience = self._launch["grace_s"] if grace_s is None else grace_s
                self.is_left = True  # an interrupt may come before it has ended
                self._end(patience)
                self._await_end(patience + 2 * MARGIN_S)
                self.is_left = False
                unsure = f"{self.describe()} was asked to end, and whether it has cannot be seen yet"
                self._outcome = self._outcome or Outcome("cancelled", detail=unsure)
            if self._may_stay_in_queue():
                end_later(self._launch, self._launch["grace_s"] if grace_s is None else grace_s)
        finally:
            self.detach()

    def _await_end(self, seconds: float) -> None:
        """Wait until it has ended, or cannot be heard.

        Its files are read here too: where the interpreter ends, the thread that does is gone.
        """
        ends = time.monotonic() + seconds
        while self._outcome is None and time.monotonic() < ends and not self._is_out_of_reach():
            with contextlib.suppress(OSError):
                self.read()
            time.sleep(POLL_S)

    def _may_stay_in_queue(self) -> bool:
        """Says whether its scheduler may still hold it for one that runs or waits."""
        sight = self._queue.sight
        if self._ends.cancelled and sight.state != "ended":
            return True  # it has ended by its files, which a controller that is away has not heard of
        return bool(self._queue.silent) or (sight.at > 0 and sight.state == "waiting")

    def _is_out_of_reach(self) -> bool:
        """Says whether neither its scheduler nor an agent can take a wish now."""
        return bool(self._queue.silent) and self._files.up is None

    @property
    def is_ending(self) -> bool:
        """Says whether a run has asked for its end, this one or an earlier one."""
        return (self.place / CANCEL).exists()

    def leave(self) -> None:
        """Forget it without ending it; its files stay for whoever goes on with it."""
        self.is_left = True
        self.detach()

    def detach(self) -> None:
        """Forget it without ending it."""
        self._watcher.remove(self)
        with self._reading:  # whoever goes on with it reads it from now on
            if self._fd >= 0:
                os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _end(self, grace_s: float) -> None:
        """Ask for its end by a file, which needs no scheduler, and by the scheduler, which needs no agent."""
        with contextlib.suppress(OSError):  # on a full share the scheduler still can
            write_durable(self.place / CANCEL, {"grace_s": grace_s})
        self._ends.cancelled = True  # and not before: its agent looks there how long it may take
        self._end_by = min(self._end_by, time.monotonic() + grace_s + MARGIN_S)
        self._watcher.hurry()

    def read(self) -> None:
        """Read what it has said, and see whether it has ended."""
        with self._reading:
            self._read()

    def _read(self) -> None:
        if self._outcome or self._fd < 0:
            return
        number, said = self._files.newest(), None
        if number is not None:
            if self._files.has_begun(number):
                self._queue.begin()
                self._news.set()
            said = self._files.follow(number)
        if refused := self._files.refusal(number):
            found = Outcome("exit", code=NOT_STARTED, detail=refused)
        else:
            found = self._ends.outcome(said, self._queue.sight, self._files.quiet_s())
        if found is None:
            return
        if number is not None:
            self._files.hear_out(number)
        self._outcome = found
        os.eventfd_write(self._fd, 1)
        self._news.set()

    def see(self, sight: Sight) -> None:
        """Take what the scheduler says."""
        if sight.given_up and not self._ends.cancelled:
            sight = sight._replace(state="waiting")
        self._queue.see(sight)
        self._ends.seen(sight)

    def miss(self, why: str) -> None:
        """Take it that the scheduler says nothing: what was known of the job stays so."""
        self._queue.silent = why

    def press(self) -> None:
        """Pass on what the scheduler has not taken yet: a wish for its end, or for another start.

        Raises:
            NoAnswer: the scheduler does not take it now.
        """
        if self._queue.sight.given_up and not self._ends.cancelled:
            self._scheduler.ask_again(self.job)
        if not self._ends.cancelled or self._queue.sight.state == "ended":
            return
        at_once = self._queue.waits or time.monotonic() > self._end_by
        wish = "at once" if at_once else "soon"
        if wish != self._pressed:
            self._scheduler.end(self.job, at_once=at_once)
            self._pressed = wish
            self._ends.told_at = time.monotonic() if at_once else 0.0
