"""Finds the cgroup of a process, and reads and writes the few files of it that Blut needs; both versions."""

from __future__ import annotations

import functools
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LIMIT = {1: "memory.limit_in_bytes", 2: "memory.max"}
_PEAK = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
_UNLIMITED = 1 << 60
"""Version 1 has no word for "no limit", only the largest number of pages."""
UNIT = "blut-"
"""With which the name of every unit begins."""
STALE_S = 60
"""A cgroup without a process for that long waits for none: its owner died between making and using it."""


@dataclass(frozen=True)
class Cgroup:
    """Stands for one directory of a cgroup hierarchy. ``version`` is 1 or 2."""

    path: Path
    version: int

    def read(self, file: str) -> str | None:
        """Returns what a file of it says; None where there is none, or no such cgroup."""
        try:
            return (self.path / file).read_text().strip()
        except OSError:
            return None

    def write(self, file: str, value: object) -> None:
        """Raises OSError naming the file."""
        (self.path / file).write_text(str(value))

    def limit(self) -> int | None:
        """Returns the bytes; None if there is no limit."""
        found = _number(self.read(_LIMIT[self.version]))
        return None if found is None or found >= _UNLIMITED else found

    def peak(self) -> int | None:
        """Returns the bytes used at most until now;
        None where the kernel does not tell (version 2 before Linux 5.19).
        """
        return _number(self.read(_PEAK[self.version]))

    def processes(self) -> list[int]:
        """Returns everything in it and below,
        but for what lives in a process namespace that is out of sight.
        """
        found: list[int] = []
        for directory, _, _ in os.walk(self.path):
            found += map(int, (Cgroup(Path(directory), self.version).read("cgroup.procs") or "").split())
        # 0 stands for those out of sight, and to kill 0 is to kill oneself
        return [pid for pid in found if pid]

    def kill(self) -> None:
        """Send SIGKILL to everything in it and below, now; does not wait for the ends."""
        with suppress(OSError):
            if (self.path / "cgroup.kill").exists():
                return self.write("cgroup.kill", 1)
        for pid in self.processes():
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)

    def remove(self, timeout_s: float = 0) -> bool:
        """Remove it with what is below, if nothing runs in it; waits so long for the last process to go."""
        deadline = time.monotonic() + timeout_s
        while self.path.exists():
            for directory, _, _ in os.walk(self.path, topdown=False):
                with suppress(OSError):
                    Path(directory).rmdir()
            if time.monotonic() >= deadline:
                break
            time.sleep(0.005)
        return not self.path.exists()


CPU_PERIOD_US = 100_000
"""The kernel's own period, in which a quota is spent."""


def cpu_quota_us(cpus: float) -> int:
    """Returns the microseconds that so many CPUs have in a period; the kernel takes no less than 1000."""
    return max(1000, round(cpus * CPU_PERIOD_US))


def memory_cgroup(pid: int | str = "self") -> Cgroup | None:
    """Returns the cgroup that counts and limits the memory of a process; None if none does, or it is gone."""
    return cgroup_of(pid, "memory")


def cgroup_of(pid: int | str, controller: str) -> Cgroup | None:
    """Returns the cgroup of a process in the hierarchy that has the controller."""
    memberships = dict(_memberships(pid))
    for mount, root, name in _mounts():
        # name is empty for version 2, where a controller may or may not be attached
        path = memberships.get(name if name == "" else controller)
        if path is None or (name != "" and controller not in name.split(",")):
            continue
        directory = _below(mount, root, path)
        if directory is None or not directory.is_dir():
            continue
        if name != "":
            return Cgroup(directory, 1)
        if controller in (Cgroup(directory, 2).read("cgroup.controllers") or "").split():
            return Cgroup(directory, 2)
    return None


def unified_cgroup(pid: int | str = "self") -> Cgroup | None:
    """Returns the cgroup of a process in the version 2 hierarchy, whatever controllers it has there."""
    path = dict(_memberships(pid)).get("")
    for mount, root, name in _mounts():
        directory = _below(mount, root, path) if path is not None and name == "" else None
        if directory is not None and directory.is_dir():
            return Cgroup(directory, 2)
    return None


def is_unit(path: str) -> bool:
    """Says whether a path is where a cgroup of a unit is or was: in a mounted hierarchy, and called so."""
    there = Path(path)
    mounts = (mount for mount, _, _ in _mounts())
    return (
        there.name.startswith(UNIT)
        and os.path.realpath(path) == path
        and any(there.is_relative_to(mount) for mount in mounts)
    )


def remove_stale(parent: Path, version: int, pattern: str = "blut-*") -> None:
    """Remove the cgroups below that dead owners left empty."""
    for path in parent.glob(pattern):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S and not Cgroup(path, version).processes():
                Cgroup(path, version).remove()


def _memberships(pid: int | str) -> Iterator[tuple[str, str]]:
    """Yields controller to path within its hierarchy; the empty name is version 2."""
    try:
        lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


@functools.cache
def _mounts() -> list[tuple[Path, str, str]]:
    """Mount point, the cgroup that is mounted there, and the hierarchy's controllers ("" for version 2).

    Read once: it stays for as long as the machine is up, and is asked for a dozen times a payload.
    """
    found = []
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        left, _, right = line.partition(" - ")
        kind, _, options = right.split(" ", 2)
        if kind in ("cgroup", "cgroup2"):
            root, mount = (_unescape(field) for field in left.split(" ")[3:5])
            found.append((Path(mount), root, options if kind == "cgroup" else ""))
    return found


def _unescape(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), field)


def _below(mount: Path, root: str, path: str) -> Path | None:
    """Returns where a path of the hierarchy is to be found; None if that part of it is not mounted."""
    relative = os.path.relpath(path, root)
    return None if relative.startswith("..") else mount / relative


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None
