"""Gives a running unit into the hands of its owner, or of whoever attaches to it later."""

from __future__ import annotations

import os
import select
import signal
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import TracebackType

from blut_resources.containment.backends.base import SPEC, UP, Backend, Request, prepared
from blut_resources.containment.backends.choose import backend
from blut_resources.containment.limits import Limits
from blut_resources.containment.outcome import Outcome, read_outcome
from blut_resources.containment.supervisor import GRACE
from blut_resources.containment.supervisor.boundary import BROKEN
from blut_resources.files.private import not_private
from blut_resources.machine import wire
from blut_resources.machine.cgroupfs import is_unit
from blut_resources.machine.processes import boot, start_time

ENFORCEMENT = "enforcement.json"
CLOSE_MARGIN_S = 5.0
"""How much longer than the grace period an end may take before it is forced."""
RECORD_TIMEOUT_S = 20.0
"""How long systemd may take from the end of the supervisor to the end of the unit."""


class ContainmentError(Exception):
    """Says that a unit cannot be started, or does not die;
    the message names it, the problem and the remedy.
    """


class ContainmentRefused(ContainmentError):
    """Says that a required memory limit would not be enforced here. Nothing was started."""


@dataclass(frozen=True)
class Enforcement:
    """Says what holds a unit.

    Attributes:
        backend: its name.
        memory_max: bytes, as read back from the kernel; None without a limit.
        contained: whether the whole tree is held, its memory limit included.
        reason: why stronger backends were passed over.
        notes: what else a person should know, such as lesser limits that are not enforced.
        isolation: what keeps it from the rest of the machine; ``none`` if nothing does, empty if not asked.
    """

    backend: str
    memory_max: int | None
    contained: bool
    reason: str = ""
    notes: str = ""
    isolation: str = ""

    def as_metadata(self) -> dict[str, str | int | bool]:
        """Returns what is known, by field name."""
        known = {"containment": self.backend, "contained": self.contained, "memory_max": self.memory_max}
        known |= {"containment_reason": self.reason or None, "containment_notes": self.notes or None}
        known |= {"isolation": self.isolation or None}
        return {name: value for name, value in known.items() if value is not None}

    def shown(self) -> dict[str, str | int | bool]:
        """Returns what a person is shown: why not stronger, only where the tree is not held."""
        known = self.as_metadata()
        return {k: v for k, v in known.items() if not (self.contained and k == "containment_reason")}


class Unit:
    """Holds one unit. Leaving it as a context manager, or ``close``, ends its whole tree.

    Attributes:
        place: its directory; it stays.
        name: unique and readable.
        enforcement: what holds it.
    """

    def __init__(self, held_by: Backend, request: Request, enforcement: Enforcement, fd: int) -> None:
        """Take over a unit;
        ``fd`` becomes readable when the supervisor has ended, and is closed with the unit.
        """
        self.place, self.name, self.enforcement = request.place, request.name, enforcement
        self._backend, self._request = held_by, request
        self._fds = [fd]
        self._outcome: Outcome | None = None
        self._cancelled = self._unrecorded = False

    def fileno(self) -> int:
        """Returns a descriptor that becomes readable when the unit has ended."""
        if not self._fds:
            raise ValueError(f"unit {self.name} is closed")
        return self._fds[0]

    def broken(self) -> str:
        """Says what does not hold the unit any more; empty as long as all does.

        From the first time on ``enforcement`` says that it is not contained.
        """
        said = str((wire.read(self.place / BROKEN) or {}).get("text", ""))
        if said and self.enforcement.contained:
            notes = "; ".join(filter(None, (self.enforcement.notes, said)))
            self.enforcement = replace(self.enforcement, contained=False, notes=notes)
        return said

    def keep_open(self, fd: int) -> None:
        """Close a descriptor no earlier than the unit."""
        self._fds.append(fd)

    def terminate(self) -> None:
        """Let it end: SIGTERM to the tree, after the grace period SIGKILL. Returns at once."""
        self._cancelled = True
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL to the tree. Returns at once; ``wait`` for the end."""
        self._cancelled = True
        if not self._signal(signal.SIGUSR1):
            self._backend.kill(self._request)

    def wait(self, timeout: float | None = None) -> Outcome:
        """Returns the outcome, as soon as nothing of the tree is left.

        Raises:
            TimeoutError: it has not ended after so many seconds.
        """
        if self._outcome is None:
            if not self._ended(timeout):
                raise TimeoutError(f"unit {self.name} has not ended after {timeout:g} s")
            self._outcome = self._find_outcome()
        return self._outcome

    def peak(self) -> int | None:
        """Returns the bytes that the tree has used at most until now; None if nobody counts."""
        return self._outcome.peak if self._outcome else self._backend.peak(self._request)

    def detach(self) -> None:
        """Forget the unit without ending it. One with ``on_orphan="kill"`` still dies with its owner."""
        self._close_fds()

    def close(self, grace_s: float | None = None) -> None:
        """End the unit, with the grace period if it still runs, and remove what holds it. Idempotent.

        Args:
            grace_s: another grace period, in seconds, than the one that it was started with.

        Raises:
            ContainmentError: a process cannot be killed.
        """
        if not self._fds:
            return
        try:
            if not self._ended(0):
                patience = self._request.grace_s if grace_s is None else grace_s
                if grace_s is not None:
                    wire.write(self.place / GRACE, {"grace_s": grace_s})
                self.terminate()
                if not self._ended(patience + CLOSE_MARGIN_S):
                    self._force()
            self.wait(0)
            if self._unrecorded:
                self._backend.kill(self._request)
            self._backend.clean(self._request)
            left = [path for path in prepared(self._request).get("cgroups", []) if os.path.isdir(path)]  # noqa: PTH112
            if left:
                raise ContainmentError(
                    f"unit {self.name}: processes in {left[0]} cannot be killed; they wait for a device or a "
                    "network disk (state D in ps)"
                )
        finally:
            self._close_fds()

    def __enter__(self) -> Unit:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _signal(self, number: int) -> bool:
        """Says whether there still was a supervisor to tell."""
        try:
            signal.pidfd_send_signal(self.fileno(), number)
        except (ProcessLookupError, OSError):
            return False
        return True

    def _ended(self, timeout: float | None) -> bool:
        """Says whether the supervisor has ended, by poll: ``select`` would refuse descriptors above 1023."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(None if timeout is None else max(0.0, timeout) * 1000))

    def _force(self) -> None:
        """Kill a supervisor that hangs or was stopped."""
        self._backend.kill(self._request)
        if not self._ended(1):
            self._signal(signal.SIGKILL)
            self._ended(CLOSE_MARGIN_S)

    def _find_outcome(self) -> Outcome:
        with suppress(OSError):  # only its parent has to
            os.waitid(os.P_PIDFD, self.fileno(), os.WEXITED | os.WNOHANG)
        found = read_outcome(self.place)
        deadline = time.monotonic() + RECORD_TIMEOUT_S
        while found is None and prepared(self._request).get("inside") and time.monotonic() < deadline:
            time.sleep(0.01)
            found = read_outcome(self.place)
        self._unrecorded = found is None
        if found is None:
            peak = self._backend.peak(self._request)
            found = Outcome("lost", peak=peak, detail="its supervisor was killed")
        return replace(found, kind="cancelled") if found.kind == "lost" and self._cancelled else found

    def _close_fds(self) -> None:
        while self._fds:
            os.close(self._fds.pop())


def attach(place: Path) -> Unit | None:
    """Returns the unit that lives in a directory,
    or that has ended there with an outcome; from any process.

    None if there is none here, or none that got as far as its start. What is left of a unit whose supervisor
    was killed is killed as well. A place that others can write is not a unit's: it could name any process.
    """
    place = Path(place).absolute()
    if not_private(place):
        return None
    spec, up, found = (wire.read(place / name) for name in (SPEC, UP, ENFORCEMENT))
    if not spec or not up or not found or not all(map(is_unit, spec["backend"].get("cgroups") or [])):
        return None
    about = spec["unit"]
    request = Request(place, about["name"], Limits(**about["limits"]), spec["grace_s"])
    held_by = backend(found["backend"])
    fd = _open(up)
    if fd is None and read_outcome(place) is None:
        # from another machine or process namespace nobody can tell whether it lives
        if up["boot"] == boot():
            held_by.kill(request)
            held_by.clean(request)
        return None
    return Unit(held_by, request, Enforcement(**found), os.eventfd(1) if fd is None else fd)


def _open(up: dict[str, int | str]) -> int | None:
    """Returns a pidfd of the supervisor; None if it has ended."""
    pid = int(up["pid"])
    if up["boot"] != boot():
        return None
    try:
        fd = os.pidfd_open(pid)
    except OSError:
        return None
    if start_time(pid) == up["start"]:
        return fd
    os.close(fd)
    return None


def record(enforcement: Enforcement, place: Path) -> None:
    """Keep for ``attach`` what holds the unit."""
    wire.write(place / ENFORCEMENT, asdict(enforcement))
