"""Counts the CPUs that this process may use: those of its affinity, as far as its cgroups give it their time.

Standard library only, so that a payload can ask as well.
"""

import math
import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from blut_resources.machine.cgroupfs import Cgroup, cgroup_of, unified_cgroup


@dataclass(frozen=True)
class Cpus:
    """Describes the CPUs that this process may use.

    Attributes:
        ids: numbers of those that the kernel may run it on.
        quotas: inode of a cgroup that this process is in -> how many CPUs that has the time of.
        installed: how many this machine has in use.
    """

    ids: tuple[int, ...]
    quotas: Mapping[int, int] = field(default_factory=dict)
    installed: int = 0

    @property
    def budget(self) -> int:
        """Returns how many threads can compute at once."""
        return min([len(self.ids), *self.quotas.values()])

    def describe(self) -> str:
        """Returns where `budget` comes from."""
        has = f"this machine has {cpus_text(max(self.installed, len(self.ids)))}"
        if self.budget < len(self.ids):
            return f"{has}, of whose time a cgroup gives this process that of {self.budget}"
        if len(self.ids) < self.installed:
            return f"{has}, and this process may run on {len(self.ids)} of them"
        return has


def cpus() -> Cpus:
    """Returns what this process may use now."""
    ids = tuple(sorted(os.sched_getaffinity(0)))
    return Cpus(ids, dict(_quotas()), os.cpu_count() or len(ids))


def cpus_text(number: int) -> str:
    """Returns text such as ``1 CPU``, ``4 CPUs``."""
    return "1 CPU" if number == 1 else f"{number} CPUs"


def _quotas() -> Iterator[tuple[int, int]]:
    # as with memory, a limit far above holds without the controller being handed down
    own = cgroup_of("self", "cpu") or unified_cgroup()
    if own is None:
        return
    for cgroup in (own, *(replace(own, path=parent) for parent in own.path.parents)):
        share = _quota(cgroup)
        if share is not None:
            with suppress(OSError):
                # half a CPU more is worth a thread; the kernel slows all of them alike
                yield Path(cgroup.path).stat().st_ino, max(1, math.ceil(share - 0.01))


def _quota(cgroup: Cgroup) -> float | None:
    """Returns the CPUs' worth of time that a cgroup may use; None if all."""
    if cgroup.version == 2:
        words = (cgroup.read("cpu.max") or "").split()
    else:
        words = [cgroup.read(f"cpu.cfs_{name}_us") or "" for name in ("quota", "period")]
    if len(words) != 2 or not all(word.isdigit() and int(word) for word in words):
        return None
    return int(words[0]) / int(words[1])
