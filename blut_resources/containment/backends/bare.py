"""Holds units without a cgroup: only the supervisor holds them, and no memory limit is enforced."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import Request
from blut_resources.containment.backends.spawning import spawn_supervisor

MARK = "BLUT_UNIT"
"""Environment variable by which a unit's processes are known when their supervisor has been killed."""
KILL_TIMEOUT_S = 2.0


class Bare:
    """Holds the descendants of the supervisor, and nothing more."""

    name = "none"
    contains = False

    def unavailable(self) -> str | None:
        return None

    def prepare(self, request: Request) -> dict[str, Any]:
        return {"env": {MARK: request.name}, "notes": _unenforced(request)}

    def start(self, request: Request) -> int:
        return spawn_supervisor(request)

    def memory_max(self, pid: int, request: Request) -> int | None:
        return None

    def peak(self, request: Request) -> int | None:
        return None

    def kill(self, request: Request) -> None:
        """Kill what carries the unit's mark; a process that cleared its environment is not found."""
        deadline = time.monotonic() + KILL_TIMEOUT_S
        while (found := _marked(request.name)) and time.monotonic() < deadline:
            for pid in found:
                with suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.005)

    def clean(self, request: Request) -> None:
        """Do nothing, for nothing was made."""


def _marked(name: str) -> list[int]:
    mark = f"{MARK}={name}".encode()
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                found.append(int(path.parent.name))
    return found


def _unenforced(request: Request) -> list[str]:
    limits = request.limits
    asked = {"tasks_max": limits.tasks_max, "cpu_weight": limits.cpu_weight, "cpus": limits.cpus}
    return [f"{field} is not enforced without a cgroup" for field, value in asked.items() if value]
