"""Holds units in cgroups of version 2 that Blut makes itself, where no systemd can be asked for one.

That needs a cgroup that was given to Blut to divide up (delegated): its own, or the one that ``$BLUT_CGROUP``
names. A cgroup that has children with controllers may hold no process, so if it is Blut's own, its processes
move to a child first, once.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import (
    BackendError,
    Request,
    prepared,
    waiting_payload,
)
from blut_resources.containment.backends.spawning import spawn_supervisor
from blut_resources.files.named import PathRefused, path_variable
from blut_resources.machine.cgroupfs import CPU_PERIOD_US, Cgroup, cpu_quota_us, remove_stale, unified_cgroup

BASE_ENV = "BLUT_CGROUP"
"""A directory below /sys/fs/cgroup that this user may write, and that this process is in or below."""
LEAF = "blut-owner"
"""Where the processes of a divided cgroup go."""
CONTROLLERS = ("memory", "pids", "cpu")
MOVE_TIMEOUT_S = 5.0


class Cgroup2:
    """Makes a directory below the base for each unit."""

    name = "cgroup2"
    contains = True

    def unavailable(self) -> str | None:
        try:
            base = _base()
        except BackendError as error:
            return str(error)
        if "memory" not in (base.read("cgroup.controllers") or "").split():
            return f"{base.path} has no memory controller; {_remedy()}"
        own = unified_cgroup()
        # the kernel asks this of whoever moves a process from one cgroup to the other
        between = Path(os.path.commonpath([base.path, own.path if own else base.path]))
        wanted = (base.path, base.path / "cgroup.subtree_control", between / "cgroup.procs")
        denied = [path for path in wanted if not os.access(path, os.W_OK)]
        return f"{denied[0]} may not be written; {_remedy()}" if denied else None

    def prepare(self, request: Request) -> dict[str, Any]:
        base = _base()
        _divide(base)
        remove_stale(base.path, 2, "blut-*-*")
        cgroup = Cgroup(base.path / request.name, 2)
        cgroup.path.mkdir()
        try:
            _limit(cgroup, request)
        except OSError as error:
            cgroup.remove()
            raise BackendError(f"{cgroup.path} takes no limits: {error}; {_remedy()}") from error
        return {"cgroups": [str(cgroup.path)], "version": 2, "limit": request.limits.memory_max}

    def start(self, request: Request) -> int:
        return spawn_supervisor(request)

    def memory_max(self, pid: int, request: Request) -> int | None:
        cgroup, payload = _cgroup(request), waiting_payload(request)
        if cgroup is None or payload is None or unified_cgroup(payload) != cgroup:
            return None
        return cgroup.limit()

    def peak(self, request: Request) -> int | None:
        cgroup = _cgroup(request)
        return cgroup.peak() if cgroup else None

    def kill(self, request: Request) -> None:
        cgroup = _cgroup(request)
        if cgroup:
            cgroup.kill()

    def clean(self, request: Request) -> None:
        cgroup = _cgroup(request)
        if cgroup:
            cgroup.remove(timeout_s=5)


def _cgroup(request: Request) -> Cgroup | None:
    """Returns the cgroup that the spec names: whoever re-attaches may live below another base."""
    paths = prepared(request).get("cgroups")
    return Cgroup(Path(paths[0]), 2) if paths else None


def _base() -> Cgroup:
    """Returns the cgroup to divide up.

    Raises:
        BackendError: there is none.
    """
    try:
        named = path_variable(BASE_ENV)
    except PathRefused as error:
        raise BackendError(str(error)) from None
    if named:
        if not (named / "cgroup.subtree_control").exists():
            raise BackendError(f"${BASE_ENV}={str(named)!r} is no cgroup of version 2; name one or unset it")
        return Cgroup(named, 2)
    own = unified_cgroup()
    if own is None:
        raise BackendError("this machine has no cgroups of version 2 mounted")
    return Cgroup(own.path.parent, 2) if own.path.name == LEAF else own


def _divide(base: Cgroup) -> None:
    """Hand the controllers down to the base's children.

    Raises:
        BackendError: the memory controller cannot be handed down.
    """
    enabled = (base.read("cgroup.subtree_control") or "").split()
    if "memory" not in enabled:
        own = unified_cgroup()
        # the root of all cgroups, which alone has no type, may hold processes all the same
        if own and own.path == base.path and base.read("cgroup.type"):
            _move_processes(base, Cgroup(base.path / LEAF, 2))
    for controller in CONTROLLERS:
        if controller not in enabled:
            try:
                base.write("cgroup.subtree_control", f"+{controller}")
            except OSError as error:
                if controller == "memory":
                    raise BackendError(f"{base.path} cannot be divided: {error}; {_remedy()}") from error


def _move_processes(base: Cgroup, leaf: Cgroup) -> None:
    """Move processes until none is left, because they start new ones meanwhile."""
    leaf.path.mkdir(exist_ok=True)
    deadline = time.monotonic() + MOVE_TIMEOUT_S
    while (pids := (base.read("cgroup.procs") or "").split()) and time.monotonic() < deadline:
        for pid in pids:
            with suppress(ProcessLookupError):
                leaf.write("cgroup.procs", pid)


def _limit(cgroup: Cgroup, request: Request) -> None:
    limits = request.limits
    wanted = {
        "memory.max": limits.memory_max,
        "memory.high": limits.memory_high,
        "memory.swap.max": limits.swap_max if limits.memory_max else None,
        "memory.oom.group": 1,
        "pids.max": limits.tasks_max,
        "cpu.weight": limits.cpu_weight,
        "cpu.max": limits.cpus and f"{cpu_quota_us(limits.cpus)} {CPU_PERIOD_US}",
    }
    for file, value in wanted.items():
        # a kernel without swap accounting has no such file, and nothing to limit
        if value is not None and (file != "memory.swap.max" or (cgroup.path / file).exists()):
            cgroup.write(file, value)


def _remedy() -> str:
    return (
        "start Blut in a delegated unit (systemd-run --user --scope -p Delegate=yes ...) "
        f"or in a cgroup of version 2 that you may write and that ${BASE_ENV} names"
    )
