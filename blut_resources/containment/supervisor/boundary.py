"""Says whether a unit is still held by what was made for it: root may leave its cgroup or lift its limit.

Nobody can keep root from that; it is noticed, and the unit is not called contained any more. Loaded by the
supervisor, hence without imports that cost time.
"""

# Memberships are taken once, after the process has joined and before it runs, and compared from outside.
# Reading only the limit would not do: a root process may write its pid into another cgroup and leave the
# limit as it is. Reading only the first process's cgroup would not do either: any descendant may move. A
# process that is about to exit shows up in the root of every version 1 hierarchy; counting it as having left
# would call every unit broken at its end.

from __future__ import annotations

from blut_resources.machine.processes import ProcessTree, descendants, read

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if not TYPE_CHECKING:
    import posix as os
else:
    import os

BROKEN = "broken.json"
"""Written in the place of a unit as soon as it is not held any more."""
EXITING = 0x4
"""Flag of a process that ends: version 1 shows it in the root of every hierarchy."""


class Boundary:
    """Remembers the cgroups that a unit's first process was in before it began, and their memory limit."""

    def __init__(self, tree: ProcessTree, payload: int, name: str) -> None:
        """Look where the process is.

        ``name`` is how its cgroups are called; where none are, none can be left.
        """
        self._tree, self._limit = tree, tree.limit
        here = _read_memberships(payload)
        self._held = {number: path for number, path in here.items() if path.rpartition("/")[2] == name}

    def __bool__(self) -> bool:
        return bool(self._held)

    def broken(self) -> str:
        """Says what is not held any more; empty as long as all is."""
        if not self._held:
            return ""
        if self._tree.limit != self._limit:
            return f"its memory limit of {self._limit} bytes was changed to {self._tree.limit} while it ran"
        for pid in descendants(os.getpid()):
            if strayed := self._find_strayed(pid):
                name = read(f"/proc/{pid}/comm").strip()[:40]
                return f"process {pid} ({name!r}) left its cgroup for {strayed}"
        return ""

    def _find_strayed(self, pid: int) -> str:
        found = _read_memberships(pid)
        for number, path in self._held.items():
            there = found.get(number, path)
            if there != path and not there.startswith(f"{path}/"):
                fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
                ends = not fields or fields[0] in "ZX" or int(fields[6]) & EXITING
                return "" if ends else there
        return ""


def _read_memberships(pid: int) -> dict[str, str]:
    lines = [line.split(":", 2) for line in read(f"/proc/{pid}/cgroup").splitlines()]
    return {number: path for number, _, path in lines}
