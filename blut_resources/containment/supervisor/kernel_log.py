"""Tells whose memory limit it was that killed a process, in the kernel's own words.

Version 1 counts the kills in a cgroup, but not the reason: its own limit or that of a group around it. The
kernel's log has both names. It may be closed to this user, and it is rate limited: then nobody knows.
Loaded by the supervisor, hence without imports that cost time.
"""

from __future__ import annotations

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
else:
    import posix as os

SEEK_END = 2


class KernelLog:
    """Reads what the kernel says from now on."""

    def __init__(self, path: str = "/dev/kmsg") -> None:
        self._fd = -1
        try:
            self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            os.lseek(self._fd, 0, SEEK_END)
        except OSError:
            return

    def killed_by_own_limit(self, cgroup: str) -> bool | None:
        """Says of the last kill in a cgroup (a directory) whether it was too much for it,
        or for a part of it.

        False: for a group around it, or for the machine. None: the kernel has not said.
        """
        name, own = cgroup.rpartition("/")[2], None
        for line in self._lines():
            if "oom-kill:" in line:
                words = [word.partition("=") for word in line.split(",")]
                said = {key: value for key, _, value in words}
                if name in said.get("task_memcg", "").split("/"):
                    own = name in said.get("oom_memcg", "").split("/")
        return own

    def _lines(self) -> list[str]:
        """Returns what is new; every read gives one record."""
        lines: list[str] = []
        while self._fd >= 0:
            try:
                lines.append(os.read(self._fd, 8192).decode(errors="replace"))
            except BrokenPipeError:
                continue  # the oldest were overwritten
            except OSError:
                break
        return lines
