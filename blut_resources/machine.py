"""What this machine has to give: main memory, and room in /dev/shm. Its GPUs are in `blut_resources.gpus`.

Sizes are bytes. Standard library only, so that a payload can ask as well.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

RESERVE = "BLUT_MEMORY_RESERVE"
LEAST_RESERVE = 1 << 30
SHM = Path("/dev/shm")

_CGROUP_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


class SharedMemoryTooSmall(Exception):
    """DataLoader workers would die of SIGBUS for want of room in /dev/shm."""


@dataclass(frozen=True)
class Memory:
    """The memory of this machine as far as this process may use it."""

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
        """What all leases together may hold."""
        return max(0, self.total - self.reserve)

    def describe(self) -> str:
        """The arithmetic behind `budget`."""
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
    """What could be allocated now without swapping, also under the limits of the cgroups of this process."""
    return max(0, min([_meminfo("MemAvailable"), *(limit - used for _, limit, used in _cgroup_limits())]))


def size_text(size: int) -> str:
    """``12 GiB``, ``1.5 GiB``, ``512 MiB``."""
    for unit, name in ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.1f}".removesuffix(".0") + f" {name}"
    return f"{size} bytes"


def shared_memory() -> tuple[int, int]:
    """Size of /dev/shm and what is free in it; nothing of both where there is none."""
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
    from blut_resources.containment.limits import parse_size

    return parse_size(text, f"${RESERVE}")


def _meminfo(field: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) << 10
    raise LookupError(f"/proc/meminfo has no {field}")


def _cgroup_limits() -> Iterator[tuple[Path, int, int]]:
    """Of each limited cgroup of this process: directory, limit, what is used and cannot be reclaimed."""
    for version, directory in _cgroups():
        limit_file, usage_file, reclaimable = _CGROUP_FILES[version]
        try:
            limit = (directory / limit_file).read_text().strip()
            if limit != "max":
                used = int((directory / usage_file).read_text()) - _stat(directory, reclaimable)
                yield directory, int(limit), used
        except FileNotFoundError:
            continue  # the root cgroup of version 2 has no limit, nor has one without the controller


def _stat(directory: Path, field: str) -> int:
    for line in (directory / "memory.stat").read_text().splitlines():
        name, _, value = line.partition(" ")
        if name == field:
            return int(value)
    return 0


def _cgroups() -> Iterator[tuple[int, Path]]:
    """Version and directory of this process's cgroups that can limit memory, each with those above it."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        version = 2 if not controllers else 1
        if version == 1 and "memory" not in controllers.split(","):
            continue
        for root, mount in _mounts(version):
            inside = Path(path).relative_to(root) if Path(path).is_relative_to(root) else Path()
            own = mount / inside
            yield from ((version, level) for level in (own, *own.parents) if level.is_relative_to(mount))


def _mounts(version: int) -> Iterator[tuple[str, Path]]:
    """Root (inside the hierarchy) and mount point of the hierarchy that can limit memory."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind == ("cgroup2" if version == 2 else "cgroup") and (
            version == 2 or "memory" in options.split(",")
        ):
            root, mount = left.split(" ")[3:5]
            yield root, Path(mount.replace("\\040", " "))
            return
