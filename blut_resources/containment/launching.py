"""Starts a unit: tries the backends, reads the limit back from the kernel, and only then says go."""

from __future__ import annotations

import os
import re
import resource
import select
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from blut_resources.containment.asked import CONTAINED, contained
from blut_resources.containment.backends.base import (
    ENVIRONMENT,
    LIFELINE,
    LOG,
    OUTCOME,
    SPEC,
    STOPPED,
    SUPERVISED,
    UP,
    Backend,
    BackendError,
    Request,
)
from blut_resources.containment.backends.choose import candidates
from blut_resources.containment.limits import Limits
from blut_resources.containment.spec import as_text, complete, of_command
from blut_resources.containment.supervisor import GRACE
from blut_resources.containment.supervisor.boundary import BROKEN
from blut_resources.containment.unit import (
    ENFORCEMENT,
    ContainmentError,
    ContainmentRefused,
    Enforcement,
    Unit,
    attach,
    record,
)
from blut_resources.files.durable import StoreError
from blut_resources.files.full import full_place, is_full, remedy, says_full
from blut_resources.machine import wire
from blut_resources.machine.memory import size_text
from blut_resources.machine.processes import read
from blut_resources.settings import settings

UP_TIMEOUT_S = 30.0
PAGE = resource.getpagesize()
KEEP_SIZE = 1
"""Of ``fallocate``: blocks are taken, and the file is as long as before."""
LAST_WORDS = 64 << 10
"""Bytes that a payload can write on a full disk."""
_FILES = (SPEC, LIFELINE, ENVIRONMENT, UP, LOG, OUTCOME, SUPERVISED, STOPPED, ENFORCEMENT, BROKEN, GRACE)


def launch(
    command: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    limits: Limits | None = None,
    place: Path,
    name: str,
    grace_s: float = 10.0,
    on_orphan: Literal["kill", "adopt"] = "kill",
    lease: Path | None = None,
    isolation: Mapping[str, Any] | None = None,
    mark: Path | None = None,
    telling_s: float = 0.0,
) -> Unit:
    """Start a command as a unit of its own.

    Args:
        command: arguments, handed over unchanged; the first is looked up on the PATH of ``env``.
        env: the whole environment of the command.
        cwd: where it starts; by default here.
        limits: what it may use.
        place: a directory for this unit only, made if it is missing. Its output is in ``place/log``.
        name: says to a reader what this is.
        grace_s: seconds from SIGTERM to SIGKILL.
        on_orphan: when the owner dies, ``kill`` ends it after the grace period, and ``adopt`` lets it live
            on, until it ends or somebody attaches to ``place``.
        lease: a file with a shared ``flock`` that the unit keeps for as long as it lives.
        isolation: what alone it may open, as `Isolation.as_spec` has it; ``enforcement`` says what holds.
        mark: another one, which only its supervisor keeps.
        telling_s: seconds for which its supervisor tries to write down how it ended, where ``place`` is on a
            share that may be away.

    Raises:
        ContainmentRefused: the memory limit is not enforced here, and that is required.
        ContainmentError: the command does not exist, or the place is taken.
        StoreError: the file system of ``place`` has no room for its files.
        ValueError: an argument or variable holds a null byte, a name of a variable "=".
    """
    limits, place = limits or Limits(), Path(place).absolute()
    spec = of_command(command, env, Path(cwd or Path.cwd()).absolute(), limits)
    spec |= {"grace_s": grace_s, "on_orphan": on_orphan, "lease": as_text(lease) if lease else None}
    spec |= {"isolation": dict(isolation) if isolation else None, "mark": as_text(mark) if mark else None}
    spec |= {"telling_s": telling_s}
    _take(place)
    passed: list[str] = []
    for backend in candidates(limits):
        request = Request(place, unit_name(name), limits, grace_s)
        try:
            reason = backend.unavailable()
            if reason is None:
                return _start(backend, request, spec, passed)
        except (BackendError, OSError) as error:
            if is_full(error) or says_full(str(error)):
                # no other backend would find more room, and to go without any would not help either
                raise StoreError(f"{place}: not started: {full_place(place)}; {remedy(place)}") from error
            reason = str(error)
        passed.append(f"{backend.name}: {reason}")
    raise ContainmentRefused(_refusal(name, limits, passed))


def unit_name(name: str) -> str:
    """Returns a unique, readable name that is safe for a file or a systemd unit."""
    readable = re.sub(r"[^A-Za-z0-9_.]+", "-", name).strip("-.")[:80]
    return f"blut-{readable or 'unit'}-{os.urandom(3).hex()}"


def _take(place: Path) -> None:
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    place.chmod(0o700)
    if not (place / SPEC).exists():
        return
    earlier = attach(place)
    if earlier:
        ended = (place / OUTCOME).exists() or (place / STOPPED).exists()
        earlier.detach()
        if not ended:
            raise ContainmentError(
                f"{place}: unit {earlier.name} runs here; attach to it, or take another place"
            )


def _clear(place: Path) -> None:
    for path in place.iterdir():
        if path.name in _FILES:
            path.unlink(missing_ok=True)


def _start(backend: Backend, request: Request, spec: dict[str, Any], passed: list[str]) -> Unit:
    """Start, look, and say go. Raises BackendError or OSError, and leaves nothing then."""
    data = backend.prepare(request)
    lifeline = pid = unit = None
    try:
        _clear(request.place)
        told = complete(spec, backend, request, data)
        environment = told.pop("env")
        wire.write(request.place / SPEC, told)
        _reserve(request.place / LOG)
        for name in (LIFELINE, ENVIRONMENT):
            os.mkfifo(request.place / name, 0o600)
        lifeline = os.open(request.place / LIFELINE, os.O_RDWR | os.O_CLOEXEC)
        pid = backend.start(request)
        up = _await_up(request.place, pid)
        enforcement = _read_back(backend, request, up["pid"], passed, data.get("notes", []))
        enforcement = replace(enforcement, isolation=up.get("isolation", ""))
        record(enforcement, request.place)
        unit = Unit(backend, request, enforcement, os.pidfd_open(up["pid"]))
        unit.keep_open(lifeline)
        _go(request.place, lifeline, environment)
        return unit
    except BaseException:
        if unit:
            unit.kill()
            unit.close()
        else:
            _abandon(backend, request, lifeline, pid)
        raise


def _reserve(log: Path) -> None:
    """Take room for last words: a payload that has filled the disk could not say so any more.

    The size stays 0; where the filesystem cannot do that, nothing is taken.
    """
    import ctypes

    with suppress(OSError), log.open("xb") as file:
        log.chmod(0o600)
        ctypes.CDLL(None).fallocate(file.fileno(), KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(LAST_WORDS))


def _go(place: Path, lifeline: int, environment: dict[str, str]) -> None:
    """Say go, and write the environment to the payload to be,
    which has the FIFO open and reads it to its end.

    Raises:
        BackendError: it has died meanwhile.
    """
    try:
        with os.fdopen(
            os.open(place / ENVIRONMENT, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC), "wb"
        ) as pipe:
            os.set_blocking(pipe.fileno(), True)
            os.write(lifeline, b"g")
            pipe.write(wire.dumps(environment).encode("ascii"))
    except OSError as error:
        raise BackendError(
            f"the payload died before it was given its environment ({error.strerror})"
        ) from error


def _abandon(backend: Backend, request: Request, lifeline: int | None, pid: int | None) -> None:
    """End what was started:
    the closed lifeline ends a supervisor that still starts, the rest those that hang.
    """
    if lifeline is not None:
        os.close(lifeline)
    if pid is not None:
        deadline = time.monotonic() + 2
        while not _reaped(pid) and time.monotonic() < deadline:
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL) if not _reaped(pid) else None
    backend.kill(request)
    backend.clean(request)


def _reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] == pid
    except ChildProcessError:
        return True


def _await_up(place: Path, pid: int | None) -> dict[str, Any]:
    """Returns what the supervisor says of itself once the payload waits; looks every millisecond at first."""
    supervisor = select.poll()
    pidfd = None if pid is None else os.pidfd_open(pid)
    if pidfd is not None:
        supervisor.register(pidfd, select.POLLIN)
    try:
        started = now = time.monotonic()
        while now - started < UP_TIMEOUT_S:
            ended = supervisor.poll(1 if now - started < 0.2 else 10)
            ended = ended or (pidfd is None and (place / STOPPED).exists())
            up = wire.read(place / UP)
            if up and "error" in up:
                raise BackendError(up["error"])
            if up:
                return up
            if ended:
                tail = read(str(place / LOG)).strip().rpartition("\n")[2]
                raise BackendError(f"its supervisor ended early{': ' if tail else ''}{tail}")
            now = time.monotonic()
    finally:
        if pidfd is not None:
            os.close(pidfd)
    raise BackendError(f"its supervisor did not come up within {UP_TIMEOUT_S:g} s")


def _read_back(
    backend: Backend, request: Request, pid: int, passed: list[str], notes: list[str]
) -> Enforcement:
    """Returns what the kernel says, which alone counts."""
    asked, found = request.limits.memory_max, backend.memory_max(pid, request)
    if asked and backend.name != "none" and found != asked - asked % PAGE:
        says = "no limit" if found is None else f"a limit of {size_text(found)}"
        raise BackendError(f"asked for {size_text(asked)}, but the kernel has {says}")
    return Enforcement(backend.name, found, backend.contains, "; ".join(passed), "; ".join(notes))


def _refusal(name: str, limits: Limits, passed: list[str]) -> str:
    asked = f" with memory_max {size_text(limits.memory_max)}" if limits.memory_max else ""
    tried = "\n".join(f"  {line}" for line in passed) or f"  {limits.backend}: does not hold a whole tree"
    without = f"unset ${CONTAINED}" if contained(settings()) else "set $BLUT_CONTAINMENT_MODE=best-effort"
    remedy = f"To run it without that guarantee, {without}"
    return f"{name}{asked}: nothing here provably holds it, so it was not started.\n{tried}\n{remedy}"
