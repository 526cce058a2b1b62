"""Says on which file system a path is, and how that is mounted."""

import os
from typing import NamedTuple

from blut_resources.machine.processes import read

LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "ramfs", "overlay"})
"""Filesystems that one kernel has to itself."""


class MountPoint(NamedTuple):
    """Describes where a file system is mounted, its kind, such as ``nfs4``, and its options."""

    point: str
    kind: str
    options: frozenset[str]

    @property
    def is_local(self) -> bool:
        """Says whether no other machine can write to it."""
        return self.kind in LOCAL


def mount_of(path: str | os.PathLike[str]) -> MountPoint:
    """Returns the mount that a path is on, or would be; an unknown one where there is no table of them."""
    best = MountPoint("", "", frozenset())
    there = os.path.realpath(path)
    for line in read("/proc/self/mountinfo").splitlines():
        words = line.split()
        point, dash = words[4].encode().decode("unicode_escape"), words.index("-")
        if os.path.commonpath([point, there]) == point and len(point) >= len(best.point):
            options = ",".join([words[5], *words[dash + 3 :]]).split(",")
            best = MountPoint(point, words[dash + 1], frozenset(options))
    return best
