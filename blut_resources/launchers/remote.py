"""Runs payloads as jobs on other machines: ordered by files on a share, and started by a scheduler."""

# What decides, in this order: what the job itself has left on the share; what the scheduler says; silence.
# Silence is never an end, or only after a long time: an empty answer, a controller that is restarted and a
# share that shows files late all look like a job that is gone, and a wrong "gone" costs a training.
#
# `job.json` is written, and on the disk, before anything is waited for: whoever comes after the death of this
# process finds the job by it. Between `sbatch` and that file a job has its comment only, by which it is
# looked for before another one is submitted.

import contextlib
import os
import shlex
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from blut_resources.containment.outcome import Outcome
from blut_resources.containment.unit import Enforcement
from blut_resources.launchers import node
from blut_resources.launchers.base import LaunchRefused, NeverStarted, Order
from blut_resources.launchers.files import (
    BEAT,
    CANCEL,
    LAUNCH,
    NOT_STARTED,
    OUT,
    REFUSED,
    UP,
    attempt_dir,
    newest_attempt,
    note_job,
    outcome_file,
    write_durable,
)
from blut_resources.launchers.gathering import ArrayScheduler, ArrayTask, GatheredOrder, gathering
from blut_resources.launchers.late_ending import end_later
from blut_resources.launchers.ordering import launch_of, not_shared
from blut_resources.launchers.scheduler import Busy, Scheduler
from blut_resources.launchers.schedulers import scheduler_by
from blut_resources.launchers.sight import Ends, Sight
from blut_resources.launchers.streams import Streams, merge
from blut_resources.launchers.transport import NoAnswer
from blut_resources.launchers.watch import watcher_of
from blut_resources.machine import wire

if TYPE_CHECKING:
    from blut_resources.launchers.profiles import Profile

ASK_S = 2.0
"""Seconds between two questions whether the result is still wanted, while a job waits."""
POLL_S = 0.05
BUSY_S, BUSY_MOST_S = 2.0, 60.0
"""Seconds of the first wait for a scheduler that takes nothing, and of the longest."""
MARGIN_S = 30.0
"""Seconds beyond the grace period after which a job is ended at once."""


class RemoteLauncher:
    """Starts payloads by the scheduler of a profile."""

    def __init__(self, name: str, profile: "Profile") -> None:
        self._name, self._profile = name, profile
        self._scheduler = scheduler_by(profile)

    def start(self, order: Order, waits: Callable[[str], str]) -> "RemoteUnit":
        """Start it as a job, for which `RemoteUnit.await_start` waits; see `Launcher.start`."""
        if said := not_shared(order, self._profile) or self._scheduler.refuse(order):
            raise LaunchRefused(f"{order.name}: launcher={self._name}: {said}")
        launch = launch_of(order, self._profile)
        launch |= {"scheduler": self._scheduler.name, "where": self._scheduler.where}
        launch["profile"] = self._name
        python = [self._profile.python or sys.executable, "-P", "-m", "blut_resources.launchers.agent"]
        start = f"PYTHONPATH={shlex.quote(self._source())} exec {shlex.join(python)}"
        gathered = self._gathered(order, launch, start)
        if gathered is None:
            write_durable(order.place / LAUNCH, launch)
        try:
            job = self._of_array(order, start, gathered, waits) if gathered else None
            unsure = bool(gathered and gathered.unsure)
            job = job or self._submit(order, launch, start, waits, unsure=unsure)
            return RemoteUnit(order.place, self._scheduler, launch, note_job(order.place, launch, job))
        except LaunchRefused:
            raise
        except BaseException:  # the scheduler may have taken it all the same
            if gathered is None or gathered.withdraw():
                end_later(launch)
            raise

    def _gathered(self, order: Order, launch: dict[str, Any], start: str) -> GatheredOrder | None:
        """Returns the order as one of those of its sweep; None if it is no sweep's, or no jobs can be one."""
        others = gathering()
        if others is None or order.job is None or not isinstance(self._scheduler, ArrayScheduler):
            return None
        return others.join(order, launch, self._scheduler.alike(order, start, order.job.variables))

    def _of_array(
        self, order: Order, start: str, gathered: GatheredOrder, waits: Callable[[str], str]
    ) -> str | None:
        scheduler, job = self._scheduler, order.job
        assert isinstance(scheduler, ArrayScheduler)
        assert job

        def submit(comment: str, tasks: Mapping[int, ArrayTask]) -> str:
            return scheduler.submit_array(order, start, comment, job.variables, tasks)

        return gathered.job(submit, scheduler.find, lambda what, seconds: wait_for(what, seconds, waits))

    def _submit(
        self,
        order: Order,
        launch: Mapping[str, Any],
        start: str,
        waits: Callable[[str], str],
        *,
        unsure: bool,
    ) -> str:
        assert order.job
        comment = launch["comment"]
        script = f"#!/bin/sh\n{start} {shlex.join([str(order.place), launch['key']])}\n"
        patience = BUSY_S
        while True:
            try:
                if unsure and (found := self._scheduler.find(comment)):
                    return found
                return self._scheduler.submit(order, script, comment, order.job.variables)
            except (Busy, NoAnswer) as error:
                unsure = True
                wait_for(f"{self._scheduler.name} takes no job now ({error})", patience, waits)
                patience = min(2 * patience, BUSY_MOST_S)

    def _source(self) -> str:
        """Returns where the nodes have the source of this process."""
        if not self._profile.checkout:
            return node.FRAMEWORK
        from blut_resources.launchers.checkout import CheckoutError, source_of_nodes

        try:
            return str(source_of_nodes(Path(self._profile.checkout)))
        except CheckoutError as error:
            raise LaunchRefused(
                f"launcher={self._name}: checkout = {error}: `blut launch sync {self._name}` makes one"
            ) from None


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
        self._streams = Streams(place)
        self._sight, self._silent = Sight("unknown"), ""
        self._up: dict[str, Any] | None = None
        self._began = 0.0
        self._beat: dict[str, Any] = {}
        self._alive_at = time.monotonic()
        self._outcome: Outcome | None = None
        self._said, self._gauged = "", 0.0
        self._queued_since: float | None = time.monotonic()
        self._queued_s = 0.0
        self._end_by = float("inf")
        self._pressed = ""
        self._fd = os.eventfd(0, os.EFD_CLOEXEC)
        self._reading = threading.RLock()
        self._watcher = watcher_of(scheduler)
        self._watcher.add(self)

    @property
    def enforcement(self) -> Enforcement:
        """Says what holds it on its node."""
        if self._up is None:
            return Enforcement(self._scheduler.name, None, contained=True)
        found = Enforcement(**self._up["enforcement"])
        other = self._up["environment"]
        said = f"{self._up['node']} has another environment: {other}" if other else ""
        return replace(found, notes="; ".join(filter(None, (found.notes, said))))

    def fileno(self) -> int:
        """Returns a descriptor that becomes readable when it has ended."""
        return self._fd

    def facts(self) -> dict[str, str | float]:
        """Returns where it runs, and how long it has waited for that."""
        node_name = str((self._up or {}).get("node") or self._sight.node)
        facts = {"launcher": str(self._known["profile"]), "job_id": self.job, "node": node_name}
        queued = self._queued_s + (time.monotonic() - self._queued_since if self._queued_since else 0.0)
        return {name: value for name, value in facts.items() if value} | {"queue_seconds": round(queued, 1)}

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
        while self._outcome is None and self._sight.state == "ended":
            wait_for(f"how {self.describe()} has ended is not to be seen yet", 10 * POLL_S, waits)

    def await_start(self, waits: Callable[[str], str]) -> None:
        """Wait until it runs.

        Raises:
            LaunchRefused: its node has other code, or cannot hold it.
            NeverStarted: it was ended before.
        """
        asked_at = 0.0
        while self._up is None:
            if self._outcome:
                if refused := self._refusal(newest_attempt(self.place)):
                    raise LaunchRefused(refused)
                raise NeverStarted(self._outcome)
            if time.monotonic() > asked_at:
                asked_at = time.monotonic() + ASK_S
                if waits(self.waiting()):
                    self.terminate()
            time.sleep(POLL_S)

    def waiting(self) -> str:
        """Says what it waits for; empty once it runs."""
        if self._silent:
            return f"waiting: {self._silent} ({self._scheduler.name} job {self.job})"
        if not self._waits():
            return "" if self._up else f"waiting: {self._scheduler.name} job {self.job} begins"
        why = self._sight.reason
        if self._sight.restarts:
            why = f"requeued by {self._scheduler.name} (restart {self._sight.restarts}): {why}"
        return f"waiting: {why} ({self.describe()})"

    def _waits(self) -> bool:
        """Says whether it waits in the queue; what was looked at before it began says nothing of that."""
        return self._sight.state == "waiting" and self._sight.at > self._began

    def readings(self) -> list[dict[str, Any]]:
        """Returns what was measured of it since the last time."""
        beat = self._beat
        if not beat.get("seen") or beat["at"] <= self._gauged:
            return []
        self._gauged = beat["at"]
        return list(beat["seen"])

    def wait(self) -> Outcome:
        """Returns the outcome, as soon as it has ended; what it has written is in its ``out`` then."""
        while self._outcome is None:
            time.sleep(POLL_S)
        number = newest_attempt(self.place)
        if self._outcome.ok and number is not None and self._launch["own_out"]:
            merge(attempt_dir(self.place, number) / OUT, Path(self._launch["out"]))
        return self._outcome

    def peak(self) -> int | None:
        """Returns the bytes that it has used at most until now; None if nobody counts."""
        return self._outcome.peak if self._outcome else self._beat.get("peak")

    def broken(self) -> str:
        """Says what does not hold it any more; empty as long as all does."""
        return str(self._beat.get("broken") or "")

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
                end_later(self._launch)
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
        if self._ends.cancelled and self._sight.state != "ended":
            return True  # it has ended by its files, which a controller that is away has not heard of
        return bool(self._silent) or (self._sight.at > 0 and self._sight.state == "waiting")

    def _is_out_of_reach(self) -> bool:
        """Says whether neither its scheduler nor an agent can take a wish now."""
        return bool(self._silent) and self._up is None

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
        number = newest_attempt(self.place)
        said = None
        if number is not None:
            self._read_up(number)
            self._read_beat(number)
            self._streams.follow(number)
            said = wire.read(outcome_file(self.place, number))
        if refused := self._refusal(number):
            found = Outcome("exit", code=NOT_STARTED, detail=refused)
        else:
            found = self._ends.outcome(said, self._sight, time.monotonic() - self._alive_at)
        if found is None:
            return
        while number is not None and self._streams.follow(number, to_end=True):
            pass
        self._outcome = found
        os.eventfd_write(self._fd, 1)

    def _refusal(self, number: int | None) -> str:
        """Says why an attempt did not start what was ordered; empty if it did."""
        found = wire.read(self.place / REFUSED)
        return str(found["said"]) if found and found["attempt"] == number else ""

    def _read_up(self, number: int) -> None:
        if self._up and self._up["attempt"] == number:
            return
        found = wire.read(self.place / UP)
        if found and found["attempt"] == number:
            self._up, self._began = found, time.monotonic()
            if self._queued_since is not None:
                self._queued_s += time.monotonic() - self._queued_since
                self._queued_since = None

    def _read_beat(self, number: int) -> None:
        found = wire.read(self.place / BEAT)
        if found and found["attempt"] == number and found["time"] != self._beat.get("time"):
            self._beat, self._alive_at = found, time.monotonic()

    def see(self, sight: Sight) -> None:
        """Take what the scheduler says."""
        self._sight, self._silent = sight, ""
        self._ends.seen(sight)
        if self._waits() and self._queued_since is None:
            self._queued_since = time.monotonic()

    def miss(self, why: str) -> None:
        """Take it that the scheduler says nothing: what was known of the job stays so."""
        self._silent = why

    def press(self) -> None:
        """Pass on a wish for its end that the scheduler has not taken yet. Raises NoAnswer."""
        if not self._ends.cancelled or self._sight.state == "ended":
            return
        at_once = self._waits() or time.monotonic() > self._end_by
        wish = "at once" if at_once else "soon"
        if wish != self._pressed:
            self._scheduler.end(self.job, at_once=at_once)
            self._pressed = wish


def wait_for(what: str, seconds: float, waits: Callable[[str], str]) -> None:
    """Wait, and say for what. Raises NeverStarted: nobody wants the result any more."""
    ends = time.monotonic() + seconds
    while (now := time.monotonic()) < ends:
        if why := waits(f"waiting: {what}"):
            raise NeverStarted(Outcome("cancelled", detail=why))
        time.sleep(min(ASK_S, ends - now))
