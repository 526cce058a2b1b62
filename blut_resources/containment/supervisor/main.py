"""Stands between Blut and a payload: starts it, ends its whole tree, and writes down how it ended.

Its owner speaks to it through a FIFO. One byte means go; the end of file means that the owner has died,
however violently. SIGTERM and SIGINT stop the tree: SIGTERM to all of it, after the grace period SIGKILL;
SIGUSR1 kills it now. A command that ended by itself keeps its status; what it left running is killed.

Standard library only, and as little of that as possible: this starts before every payload.
"""

# Why a process of its own, and why it is built as it is:
#
# PR_SET_PDEATHSIG on the payload, set by Blut itself, is not enough: it reaches one process and not its
# children, it fires when the *thread* that forked ends, and a change of credentials takes it off. A process
# group is not enough either: DataLoader workers and `setsid` leave it. So a subreaper stands in between. What
# loses its parent becomes its child, and `waitpid` says with ECHILD when nobody is left.
#
# A pid of the owner cannot be watched by asking for it again and again: the number may be another process's
# by the next look. The end of file of a FIFO comes at once, whatever kills the owner; but a child that the
# owner forked may hold the other end open, so the owner's pidfd is watched beside it, and its start time is
# compared after the pidfd was opened, in case it died before that.
#
# The order in `__init__` matters: become a subreaper, then take the marks and the lease, then fork. A payload
# that existed first could outlive the locks that speak for it. Signals only wake the loop (a wakeup pipe),
# for a handler that did the work could run between any two lines of it. The outcome is written last, after
# the tree was killed and reaped: who reads it may delete the place and reuse the work directory, so nothing
# may still be writing there.
#
# Python's own `signal`, `os` and `subprocess` are left out because every payload pays for their import.

from __future__ import annotations

import select
import time

from blut_resources.containment.supervisor import GRACE, trampoline
from blut_resources.containment.supervisor.boundary import BROKEN, Boundary
from blut_resources.machine import wire
from blut_resources.machine.processes import SIGKILL, ProcessTree, boot, machine, own_cgroup, read, start_time

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
    import signal
    from typing import Any

    from blut_resources.containment.supervisor.kernel_log import KernelLog
else:
    import _signal as signal
    import posix as os

BOUNDARY_S = 0.2
"""Seconds between two looks whether the payload is still held."""
OOM_POLL_S = 0.1
"""Version 1 kills one process for lack of memory and goes on: whether it has must be asked."""


TELL_EVERY_S = 0.5
"""Seconds between two tries to write down how it ended."""


class Channel:
    """Waits for what can happen to a supervisor: ``go``, ``orphaned``, ``stop``, ``kill``, ``child``."""

    def __init__(self, lifeline: str, owner: list[int]) -> None:
        self._watched = [os.open(lifeline, os.O_RDONLY | os.O_NONBLOCK)]
        # A process that the owner forked may hold the lifeline open; hence also the owner itself.
        try:  # noqa: SIM105
            self._watched.append(os.pidfd_open(owner[0]))
        except ProcessLookupError:
            pass
        self._gone = start_time(owner[0]) != owner[1]
        self._wake, wakeup = os.pipe()
        os.set_blocking(wakeup, False)
        meaning = {"stop": (signal.SIGTERM, signal.SIGINT), "kill": (signal.SIGUSR1,)}
        self._meaning = {number: what for what, numbers in meaning.items() for number in numbers}
        for number in (*self._meaning, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(wakeup, warn_on_full_buffer=False)

    def wait(self, timeout: float | None) -> set[str]:
        """Returns what has happened, at once if something has; nothing after so many seconds."""
        if self._gone and self._watched:
            self._watched = []
            return {"orphaned"}
        ready = select.select([self._wake, *self._watched], [], [], timeout)[0]
        happened = {self._told(fd) for fd in ready if fd != self._wake}
        if self._wake in ready:
            happened.update(self._meaning.get(number, "child") for number in os.read(self._wake, 64))
        if "orphaned" in happened:
            self._watched = []
        return happened

    def _told(self, fd: int) -> str:
        return "go" if fd == self._watched[0] and os.read(fd, 64) else "orphaned"


class Supervisor:
    """Runs one unit, from the fork of its payload to its outcome."""

    def __init__(self, place: str, spec: dict[str, Any]) -> None:
        self.place, self.spec = place, spec
        self.inside = bool(spec["backend"].get("inside"))
        joined = ProcessTree(spec["backend"].get("cgroups") or [], spec["backend"].get("version") or 0)
        self.tree = own_cgroup(f"{spec['unit']['name']}.service") if self.inside else joined
        self.cause: str | None = None
        self.detail = ""
        self.status: int | None = None
        self.alone = False
        self.stop_at = self.kill_at = float("inf")
        self.channel = Channel(f"{place}/lifeline", spec["owner"])
        trampoline.prctl(trampoline.PR_SET_CHILD_SUBREAPER, 1)
        self.machine_oom_kills = _count_machine_oom_kills() if not self.tree.version else 0
        self.kernel_log = _open_kernel_log() if self.tree.version == 1 else None
        self.mark = _share_lock(spec.get("mark"))
        self.last = f"{place}/{'supervised' if self.inside else 'outcome'}.json"
        wire.reserve(self.last)  # how it ends is worth knowing when the payload has filled the disk, too
        self.boundary: Boundary | None = None
        self.broken, self.look_at = "", 0.0
        self.telling_s = spec["telling_s"]
        self.payload = trampoline.fork(spec, place, joined, _share_lock(spec.get("lease")))

    def run(self) -> None:
        """Go on until nothing of the tree is left and the outcome is written, whatever goes wrong."""
        try:
            if self._announce():
                self._supervise()
        except Exception as error:
            self.cause, self.detail = "lost", f"its supervisor failed: {error!r}"
            raise
        finally:
            self._look_at_boundary(0)
            self.tree.kill(self._reap, self.inside)
            self._reap()
            outcome = self._outcome()
            if self.inside:
                self._tell({"cause": self.cause, **outcome})
            else:
                self.tree.remove()
                self._tell(outcome)

    def _tell(self, outcome: dict[str, Any]) -> None:
        """Write down how it ended. Raises OSError: that could not be written, however often it was tried."""
        ends = time.monotonic() + self.telling_s
        while True:
            try:
                return wire.write_last(self.last, outcome)
            except OSError:
                if time.monotonic() > ends:
                    raise
            time.sleep(TELL_EVERY_S)

    def _announce(self) -> bool:
        """Tell the owner that the payload waits, or why it cannot."""
        said = os.read(self.payload.said, 4096).decode(errors="replace")
        ready = said.startswith("+")
        problem = None if ready else said or "the process that was to become the payload died"
        pid = os.getpid()
        up = {"pid": pid, "start": start_time("self"), "boot": boot(), "machine": machine()}
        up |= {"payload": self.payload.pid, "isolation": said[1:] if ready else ""}
        if problem:
            up["error"], self.cause, self.detail = problem, "lost", problem
        elif self.tree.version:
            name = self.tree.cgroups[0].rpartition("/")[2]
            self.boundary = Boundary(self.tree, self.payload.pid, name)
        wire.write(f"{self.place}/unit.json", {**up, "cgroups": self.tree.cgroups})
        return not problem

    def _look_at_boundary(self, every_s: float) -> None:
        """Say it at once where the payload is not held any more, and once."""
        now = time.monotonic()
        if self.boundary is None or self.broken or now < self.look_at:
            return
        self.look_at = now + every_s
        self.broken = self.boundary.broken()
        if self.broken:
            try:  # noqa: SIM105
                wire.write(f"{self.place}/{BROKEN}", {"text": self.broken})
            except OSError:  # the outcome says it too, and the tree has to be ended all the same
                pass

    def _supervise(self) -> None:
        started = False
        while not self._over():
            happened = self.channel.wait(self._patience())
            self._look_at_boundary(BOUNDARY_S)
            self._reap()
            if "go" in happened and not started and not self.cause:
                started = True
                os.write(self.payload.go, b"g")
                self.stop_at = time.monotonic() + (self.spec.get("wall_clock_s") or float("inf"))
            self._decide(happened, started)

    def _decide(self, happened: set[str], started: bool) -> None:
        now = time.monotonic()
        if not self.cause and self.tree.oom_kills:
            self._stop("oom-kill", now)
        elif "kill" in happened:
            self._stop("cancelled", now)
            self.telling_s = 0.0  # its owner has given it up, and may have removed its place
        elif "stop" in happened:
            told = wire.read(f"{self.place}/{GRACE}") or self.spec
            self._stop("cancelled", now + told["grace_s"])
        elif "orphaned" in happened and not (started and self.spec["on_orphan"] == "adopt"):
            self.detail = self.detail or "its owner died"
            self._stop("orphaned", now + self.spec["grace_s"])
        elif now >= self.stop_at:
            self._stop("timeout", now + self.spec["grace_s"])
        if not started and self.cause:
            self.detail = f"before it was started{'; ' if self.detail else ''}{self.detail}"
            self.kill_at = now

    def _stop(self, cause: str, kill_at: float) -> None:
        """Start the end; the first cause counts, and a later one may only bring the end nearer."""
        first, self.cause = not self.cause, self.cause or cause
        self.stop_at, self.kill_at = float("inf"), min(self.kill_at, kill_at)
        if first and cause != "oom-kill":
            self.tree.signal(signal.SIGTERM)
            self.tree.signal(signal.SIGCONT)  # who was stopped would not hear of it

    def _over(self) -> bool:
        # Stopped, a tree may use the grace period to its last process; the command may be only a shell.
        ended = self.alone if self.cause else self.status is not None
        return ended or time.monotonic() >= self.kill_at

    def _patience(self) -> float | None:
        poll = OOM_POLL_S if self.tree.version == 1 and not self.cause else float("inf")
        poll = BOUNDARY_S if self.boundary and not self.broken and poll > BOUNDARY_S else poll
        left = min(self.stop_at - time.monotonic(), self.kill_at - time.monotonic(), poll)
        return None if left == float("inf") else max(0.0, left)

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                self.alone = True  # orphans become children of this process, so there is nobody left
                return
            if pid == 0:
                return
            if pid == self.payload.pid:
                self.status = status

    def _outcome(self) -> dict[str, Any]:
        code = None if self.status is None else os.waitstatus_to_exitcode(self.status)
        found: dict[str, Any] = {
            "kind": self._kind(code),
            "code": code if code is not None and code >= 0 else None,
            "signal": -code if code is not None and code < 0 else None,
            "limit": self.tree.limit,
            "peak": self.tree.peak,
            "whose": None,
            "detail": "; ".join(filter(None, (self.detail or self._explain(code), self.broken))),
        }
        if found["kind"] == "oom-kill":
            found["whose"] = "own" if self._hit_own_limit() else "ancestor"
        return found

    def _hit_own_limit(self) -> bool:
        """Says whether it was the unit's own limit: the kernel's word, where it has one to say."""
        said = self.kernel_log.killed_by_own_limit(self.tree.cgroups[0]) if self.kernel_log else None
        return self.tree.reached_own_limit if said is None else said

    def _kind(self, code: int | None) -> str:
        if self.cause:
            return "cancelled" if self.cause == "orphaned" else self.cause
        if self.tree.oom_kills:
            return "oom-kill"
        if code is None:
            return "lost"
        return "signal" if code < 0 else "exit" if code else "ok"

    def _explain(self, code: int | None) -> str:
        if self.cause == "timeout":
            return f"it ran for {self.spec['wall_clock_s']:g} s"
        if code == trampoline.NOT_STARTED:
            said = os.read(self.payload.said, 4096).decode(errors="replace")
            return f"cannot start {said}" if said else ""
        if code == -SIGKILL and not self.tree.version:
            killed = _count_machine_oom_kills() - self.machine_oom_kills
            return f"meanwhile the kernel killed {killed} processes for lack of memory" if killed > 0 else ""
        return ""


def _share_lock(path: str | None) -> int | None:
    """Share the owner's lock, so that what it stands for stays taken for as long as this process lives."""
    if path is None:
        return None
    import fcntl

    file = os.open(path.encode("utf-8", "surrogateescape"), os.O_RDWR)
    fcntl.flock(file, fcntl.LOCK_SH)
    return file


def _open_kernel_log() -> KernelLog:
    from blut_resources.containment.supervisor.kernel_log import KernelLog

    return KernelLog()


def _count_machine_oom_kills() -> int:
    return int(read("/proc/vmstat").rpartition("\noom_kill ")[2].partition("\n")[0] or 0)


def main(path: str) -> None:
    """Supervise the unit whose spec this is. Does not return."""
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    spec = wire.read(path)
    if spec is None:
        raise SystemExit(f"{path}: no spec of a unit")
    place = path.rpartition("/")[0]
    try:
        unit = Supervisor(place, spec)
    except OSError as error:
        wire.write(f"{place}/unit.json", {"error": f"its supervisor cannot start: {error}"})
        raise
    unit.run()
    os._exit(0)  # the interpreter would take a millisecond to tidy up
