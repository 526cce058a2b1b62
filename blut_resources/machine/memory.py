"""Measures what this machine has to give: main memory, and room in /dev/shm. Its GPUs are in `gpus`.

Sizes are bytes. Standard library only, so that a payload can ask as well.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from blut_resources.machine.cgroupfs import memory_cgroup, unified_cgroup

RESERVE = "BLUT_MEMORY_RESERVE"
LEAST_RESERVE = 1 << 30
SHM = Path("/dev/shm")

_USAGE = {
    1: ("memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.current", "inactive_file"),
}


class SharedMemoryTooSmall(Exception):
    """Says that DataLoader workers would die of SIGBUS for want of room in /dev/shm."""


@dataclass(frozen=True)
class Memory:
    """Describes the memory of this machine as far as this process may use it."""

    installed: int
    """MemTotal."""
    total: int
    """`installed`, or less where a cgroup above this process limits it."""
    cgroup: str
    """The cgroup with that limit, or empty."""
    reserve: int
    """Kept for everything that holds no lease."""

    @property
    def budget(self) -> int:
        """Returns what all leases together may hold."""
        return max(0, self.total - self.reserve)

    def describe(self) -> str:
        """Returns the arithmetic behind `budget`."""
        has = f"this machine has {size_text(self.installed)}"
        if self.cgroup:
            has += f", of which the cgroup {self.cgroup} may use {size_text(self.total)}"
        return f"{has}, {size_text(self.reserve)} are kept for the system (${RESERVE})"


def memory() -> Memory:
    """Raises ValueError if $BLUT_MEMORY_RESERVE is not a size."""
    installed = total = _meminfo("MemTotal")
    cgroup = ""
    for directory, limit, _ in _cgroup_limits():
        if limit < total:
            total, cgroup = limit, str(directory)
    return Memory(installed, total, cgroup, _reserve(total))


def available() -> int:
    """Returns what could be allocated now without swapping,
    also under the limits of the cgroups of this process.
    """
    return max(0, min([_meminfo("MemAvailable"), *(limit - used for _, limit, used in _cgroup_limits())]))


def size_text(size: int) -> str:
    """Returns text such as ``12 GiB``, ``1.5 GiB``, ``512 MiB``."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def shared_memory() -> tuple[int, int]:
    """Returns the size of /dev/shm and what is free in it; nothing of both where there is none."""
    try:
        fs = os.statvfs(SHM)
    except OSError:
        return 0, 0
    return fs.f_blocks * fs.f_frsize, fs.f_bavail * fs.f_frsize


def check_shared_memory(workers: int, batch: int, *, prefetch: int = 2) -> None:
    """Refuse DataLoader workers that would not find room for their batches of `batch` bytes.

    Every worker keeps `prefetch` finished batches in /dev/shm, and the trainer holds one more.

    Raises:
        SharedMemoryTooSmall: with the sizes and the remedy.
    """
    need = (workers * prefetch + 1) * batch
    size, free = shared_memory()
    if workers == 0 or need <= free:
        return
    room = size_text(size) + ("" if free == size else f", {size_text(free)} of it free")
    raise SharedMemoryTooSmall(
        f"{SHM} has {room}; {workers} DataLoader workers need about {size_text(need)}"
        f" ({prefetch} batches of {size_text(batch)} each, and one in use): set num_workers=0 or fewer,"
        f" or enlarge it: `mount -o remount,size={need} {SHM}`, in a container `docker run --shm-size={need}`"
    )


def _reserve(total: int) -> int:
    text = os.environ.get(RESERVE)
    if not text:
        return max(LEAST_RESERVE, total // 20)
    if text.strip() == "0":
        return 0
    from blut_resources.machine.amounts import parse_size

    return parse_size(text, f"${RESERVE}")


def _meminfo(name: str) -> int:
    return _field(Path("/proc/meminfo").read_text(), name) << 10


def _cgroup_limits() -> Iterator[tuple[Path, int, int]]:
    """Yields directory, limit and what is used and cannot be reclaimed, of each limited cgroup."""
    # On version 2 a limit far above holds without the controller being handed down to this process's cgroup.
    own = memory_cgroup() or unified_cgroup()
    if own is None:
        return
    for cgroup in (own, *(replace(own, path=parent) for parent in own.path.parents)):
        limit = cgroup.limit()
        if limit is not None:
            usage, reclaimable = _USAGE[cgroup.version]
            used = int(cgroup.read(usage) or 0) - _field(cgroup.read("memory.stat") or "", reclaimable)
            yield cgroup.path, limit, max(0, used)


def _field(text: str, name: str) -> int:
    for line in text.splitlines():
        found, _, value = line.partition(" ")
        if found.rstrip(":") == name:
            return int(value.split()[0])
    return 0
