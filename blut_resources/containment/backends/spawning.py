"""Starts supervisors as children of this process: forked by a small process that is kept for that.

An interpreter of its own for each supervisor would cost a chain of short payloads more than anything else
that is done for one. Where the small process cannot do it, that is how it is done.
"""

from __future__ import annotations

import os
import resource
import signal
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from blut_resources.containment import supervisor
from blut_resources.containment.backends.base import (
    LOG,
    SPEC,
    BackendError,
    Request,
    supervisor_command,
)

PATIENCE_S = 30.0
ANSWER_BYTES = 32
_FORKS = str(Path(supervisor.__file__).with_name("forks.py"))
_RESOURCES = [getattr(resource, name) for name in dir(resource) if name.startswith("RLIMIT_")]
_IGNORED = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGCHLD]

_lock = threading.Lock()
_kept: list[_Forks] = []
"""The one of this process, if there is any."""


def spawn_supervisor(request: Request) -> int:
    """Start the supervisor as a child of this process, in its own session; returns its pid.

    Raises:
        BackendError: nobody can say whether it was started.
    """
    with _lock:
        pid = keep().ask(request.place / SPEC)
    return pid or _spawn_alone(request)


def _spawn_alone(request: Request) -> int:
    log = (os.POSIX_SPAWN_OPEN, 1, str(request.place / LOG), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    return _spawn(supervisor_command(request), (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0), log)


def _spawn(command: list[str], *actions: Any) -> int:
    return os.posix_spawn(
        command[0],
        command,
        os.environ,
        file_actions=[*actions, (os.POSIX_SPAWN_DUP2, 1, 2)],
        setsid=True,
        setsigmask=[],
        setsigdef=_IGNORED,
    )


class _Forks:
    """Speaks to the process that forks supervisors, which ends with this one."""

    def __init__(self) -> None:
        self.made_in = _circumstances()
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.settimeout(PATIENCE_S)
        with theirs:
            command = [sys.executable, "-I", "-S", _FORKS, str(os.getpid())]
            asked = (os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)
            self._pid = _spawn(command, asked, (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0))

    def ask(self, spec: Path) -> int:
        """Returns the pid of the supervisor of a spec; 0 where there is none, and will be none.

        Raises:
            BackendError: it does not answer, so nobody can say.
        """
        try:
            self._channel.send(os.fsencode(spec))
        except OSError:  # it was killed: it has not heard of this one
            self.drop()
            return 0
        try:
            answer = self._channel.recv(ANSWER_BYTES)
        except OSError as error:
            answer, why = b"", str(error)
        else:
            why = "it has ended"
        if not answer:
            self.drop()
            raise BackendError(f"the process that starts supervisors does not answer: {why}")
        return int(answer)

    def drop(self) -> None:
        """End it; those that it has started are nothing to it."""
        _kept.remove(self)
        self._channel.close()
        with suppress(OSError):  # of a process that was forked it is no child
            os.kill(self._pid, signal.SIGKILL) if self.made_in[0] == os.getpid() else None
            os.waitpid(self._pid, 0)


def keep() -> _Forks:
    """Returns the one that gives its children what they would inherit from this process now."""
    if _kept and _kept[0].made_in != _circumstances():
        _kept[0].drop()
    if not _kept:
        _kept.append(_Forks())
    return _kept[0]


def _circumstances() -> tuple[Any, ...]:
    limits = [resource.getrlimit(one) for one in _RESOURCES]
    return os.getpid(), limits, os.sched_getaffinity(0), os.getpriority(os.PRIO_PROCESS, 0)
