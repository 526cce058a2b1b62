"""Says what a way of holding a unit must be able to do, and what it may write into the unit's spec.

A backend makes the place where the payload will run (a cgroup, a service), starts the supervisor, reads the
limit back from the kernel, and ends and removes what is left. Everything else (the spec, the channel, the
outcome) is the same for all of them and lives in ``unit`` and ``supervisor``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from blut_resources.machine import wire

if TYPE_CHECKING:
    from blut_resources.containment.limits import Limits

SPEC = "spec.json"
LIFELINE = "lifeline"
ENVIRONMENT = "environment"
"""A FIFO through which the payload gets its environment: there may be secrets in it, so no file holds it."""
UP = "unit.json"
LOG = "log"
OUTCOME = "outcome.json"
SUPERVISED = "supervised.json"
STOPPED = "stopped.json"


@dataclass(frozen=True)
class Request:
    """Describes one unit to be.

    ``name`` is unique and safe in file and unit names; ``grace_s`` is in seconds.
    """

    place: Path
    name: str
    limits: Limits
    grace_s: float


class Backend(Protocol):
    """Holds units in one way. The methods raise OSError or BackendError when the machine says no."""

    @property
    def name(self) -> str:
        """Returns ``systemd``, ``cgroup2``, ``cgroup1``, ``rlimit`` or ``none``."""
        ...

    @property
    def contains(self) -> bool:
        """Says whether a memory limit holds for the whole tree."""
        ...

    def unavailable(self) -> str | None:
        """Says why it cannot work here, with the remedy; None if it is worth a try. Cheap."""
        ...

    def prepare(self, request: Request) -> dict[str, Any]:
        """Make what must exist before the supervisor; returns the ``backend`` part of the spec.

        The supervisor understands these keys, all optional:

        ``cgroups``   directories that the waiting payload joins before ``go`` and the supervisor removes at
                      the end; the first one has the memory controller (v1) or is the only one (v2)
        ``version``   1 or 2, of these cgroups
        ``limit``     bytes, the memory limit that was asked for
        ``rlimits``   name (``RLIMIT_DATA``) to value
        ``env``       variables that the payload gets besides its own
        ``inside``    true: the supervisor runs in the unit's cgroup itself and something else removes it
                      (systemd). It writes ``supervised.json`` instead of ``outcome.json``, and kills
                      everything in its own cgroup but itself
        ``notes``     for a person: lesser limits that this backend cannot set here, each with its reason
        """
        ...

    def start(self, request: Request) -> int | None:
        """Start the supervisor on ``place/spec.json``; returns its pid, if it is a child of this process."""
        ...

    def memory_max(self, pid: int, request: Request) -> int | None:
        """Returns the bytes that the kernel allows the cgroup of the waiting payload; None means no limit.

        ``pid`` is the supervisor's. On direct backends the payload has joined its cgroups by now:
        ``waiting_payload(request)`` is its pid.
        """
        ...

    def peak(self, request: Request) -> int | None:
        """Returns the bytes that the tree has used at most until now; None if nobody knows."""
        ...

    def kill(self, request: Request) -> None:
        """Send SIGKILL to everything of the unit, also when the supervisor is gone.

        Does not wait. Idempotent.
        """
        ...

    def clean(self, request: Request) -> None:
        """Remove what is left once everything is dead. Idempotent."""
        ...


class BackendError(Exception):
    """Says that this backend could not start the unit, and why."""


def supervisor_command(request: Request) -> list[str]:
    """Returns the supervisor's argument vector: nothing of the payload is on it but the path of the spec."""
    script = Path(__file__).parents[1] / "supervisor" / "entry.py"
    return [sys.executable, "-I", "-S", str(script), str(request.place / SPEC)]


def waiting_payload(request: Request) -> int | None:
    """Returns the pid of the process that becomes the payload at ``go``; None before the supervisor is up."""
    up = read_json(request.place / UP)
    return up.get("payload") if up else None


def prepared(request: Request) -> dict[str, Any]:
    """Returns what ``prepare`` returned for a unit, also for who attached to it later; empty before that."""
    spec = read_json(request.place / SPEC)
    return spec.get("backend", {}) if spec else {}


def read_json(path: Path) -> dict[str, Any] | None:
    """Returns a file of the unit's place; None if there is none, or nothing whole is in it."""
    return wire.read(path)
