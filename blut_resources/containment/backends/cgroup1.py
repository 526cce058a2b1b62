"""Holds units in cgroups of version 1: ``blut/<unit>`` below the cgroup that Blut itself is in.

This version kills one process for lack of memory and lets the others live; the supervisor ends them. The pids
controller, where there is one, also keeps a tree that is being killed from forking ahead of that.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import (
    BackendError,
    Request,
    prepared,
    waiting_payload,
)
from blut_resources.containment.backends.spawning import spawn_supervisor
from blut_resources.containment.limits import Limits
from blut_resources.machine.cgroupfs import Cgroup, cgroup_of, cpu_quota_us, remove_stale
from blut_resources.machine.processes import read

GROUP = "blut"
KILL_TIMEOUT_S = 2.0
REMOVE_TIMEOUT_S = 5.0
_REMEDY = (
    "run as root outside of a container that mounts it read-only, let root give this user a cgroup to start "
    "Blut in, or use a machine with systemd or cgroup version 2"
)


class Cgroup1:
    """Makes a directory for each unit in the hierarchies of memory, pids and, where it is limited, cpu."""

    name = "cgroup1"
    contains = True

    def unavailable(self) -> str | None:
        own = _own("memory")
        if own is None:
            return "this machine has no memory controller of cgroup version 1"
        if not os.access(own.path, os.W_OK):
            return f"{own.path} may not be written; {_REMEDY}"
        return None

    def prepare(self, request: Request) -> dict[str, Any]:
        made: list[Cgroup] = []
        try:
            made.append(_make("memory", request))
            notes = [*_limit_memory(made[0], request.limits), *_limit_others(made, request)]
        except OSError as error:
            for cgroup in made:
                cgroup.remove()
            raise BackendError(f"no cgroup can be made here: {error}; {_REMEDY}") from error
        return {"cgroups": [str(cgroup.path) for cgroup in made], "version": 1, "notes": notes}

    def start(self, request: Request) -> int:
        return spawn_supervisor(request)

    def memory_max(self, pid: int, request: Request) -> int | None:
        payload, cgroups = waiting_payload(request), _cgroups(request)
        # the name is unique, so no other cgroup can end like that
        there = f"/{GROUP}/{request.name}"
        if payload is None or not cgroups or not _memberships(payload).get("memory", "").endswith(there):
            return None
        return cgroups[0].limit()

    def peak(self, request: Request) -> int | None:
        cgroups = _cgroups(request)
        return cgroups[0].peak() if cgroups else None

    def kill(self, request: Request) -> None:
        cgroups = _cgroups(request)
        deadline = time.monotonic() + KILL_TIMEOUT_S
        for cgroup in cgroups:
            with suppress(OSError):
                cgroup.write("pids.max", 0)
        while any(cgroup.processes() for cgroup in cgroups) and time.monotonic() < deadline:
            for cgroup in cgroups:
                cgroup.kill()
            time.sleep(0.002)

    def clean(self, request: Request) -> None:
        for cgroup in _cgroups(request):
            cgroup.remove(REMOVE_TIMEOUT_S)
            with suppress(OSError):
                cgroup.path.parent.rmdir()


def _own(controller: str) -> Cgroup | None:
    """Returns the cgroup of this process in the hierarchy of a controller."""
    return _found(controller, _memberships(os.getpid()).get(controller))


@lru_cache
def _found(controller: str, path: str | None) -> Cgroup | None:
    """Look a path up once: reading the table of mounts takes longer than all the rest."""
    own = cgroup_of("self", controller) if path else None
    return own if own and own.version == 1 else None


def _memberships(pid: int) -> dict[str, str]:
    """Returns controller to path in its hierarchy; of version 1 only."""
    lines = (line.split(":", 2) for line in read(f"/proc/{pid}/cgroup").splitlines())
    return {name: path for _, names, path in lines for name in names.split(",")}


def _cgroups(request: Request) -> list[Cgroup]:
    """Returns the cgroups that the spec names: whoever re-attaches may live elsewhere."""
    return [Cgroup(Path(path), 1) for path in prepared(request).get("cgroups", [])]


def _make(controller: str, request: Request) -> Cgroup:
    own = _own(controller)
    if own is None:
        raise FileNotFoundError(f"this machine has no {controller} controller of cgroup version 1")
    parent = own.path / GROUP
    for last in (False, False, True):
        with suppress(FileExistsError):
            parent.mkdir()
        remove_stale(parent, 1)
        try:
            (parent / request.name).mkdir()
            break
        except FileNotFoundError:  # the last unit in it has just ended and removed it
            if last:
                raise
    return Cgroup(parent / request.name, 1)


def _limit_memory(cgroup: Cgroup, limits: Limits) -> list[str]:
    """Returns what differs from what was asked for."""
    notes = []
    if limits.memory_max:
        cgroup.write("memory.limit_in_bytes", limits.memory_max)
        if (cgroup.path / "memory.memsw.limit_in_bytes").exists():
            cgroup.write("memory.memsw.limit_in_bytes", limits.memory_max + limits.swap_max)
        elif not limits.swap_max:
            cgroup.write("memory.swappiness", 0)  # this kernel does not count swap; then rather none
        else:
            notes.append("swap_max is not enforced: this kernel does not count swap")
    if limits.memory_high:
        cgroup.write("memory.soft_limit_in_bytes", limits.memory_high)
        notes.append("memory_high slows nothing down on cgroup version 1, it says where to reclaim first")
    return notes


def _limit_others(made: list[Cgroup], request: Request) -> list[str]:
    """Add the other cgroups to those made; returns what could not be limited."""
    limits, notes = request.limits, []
    weight = limits.cpu_weight and max(2, limits.cpu_weight * 1024 // 100)
    quota = limits.cpus and cpu_quota_us(limits.cpus)
    for controller, wanted in (
        ("pids", {"tasks_max": ("pids.max", limits.tasks_max)}),
        ("cpu", {"cpu_weight": ("cpu.shares", weight), "cpus": ("cpu.cfs_quota_us", quota)}),
    ):
        asked = {field: one for field, one in wanted.items() if one[1] is not None}
        if controller == "cpu" and not asked:
            continue
        try:
            made.append(_make(controller, request))
            for file, value in asked.values():
                made[-1].write(file, value)
        except OSError as error:
            notes += [f"{' and '.join(asked)} not enforced: {error}"] if asked else []
    return notes
