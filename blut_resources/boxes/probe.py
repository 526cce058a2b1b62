"""Finds out whether locks on a directory hold between processes, and between the machines that share it."""

# A ``flock`` on NFS is a lock of the server, unless the mount says otherwise: then two machines hold the same
# lock at once, and compute into one directory. No error tells that. So before the first lock that matters
# three things are looked at: what the mount says; whether a second process of this machine is kept out; and
# whether another machine that touches its file right now has it locked, as it should, for us too.

import contextlib
import fcntl
import shutil
import subprocess
import sys
import time
from pathlib import Path

from blut_resources.boxes.beats import BEAT_S
from blut_resources.boxes.seen import boxes
from blut_resources.files.durable import StoreError, explained, random_name
from blut_resources.machine.mounts import mount_of

LOCAL_OPTIONS = {
    "nfs": ("nolock", "local_lock=flock", "local_lock=all"),
    "cifs": ("nobrl", "nolock"),
    "smb3": ("nobrl", "nolock"),
    "lustre": ("localflock", "noflock"),
    "gfs2": ("localflocks",),
    "ocfs2": ("localflocks",),
}
"""What in the options of a mount keeps a lock from other machines, by the kind of file system."""
LOCAL_KINDS = ("fuse.sshfs", "fuse.s3fs", "fuse.rclone", "fuse.goofys")
"""File systems that send no locks to whoever keeps the files."""
ALONE = "import fcntl, sys; fcntl.flock(open(sys.argv[1]), fcntl.LOCK_EX | fcntl.LOCK_NB)"
_sound: set[int] = set()


class LocksDoNotHold(StoreError):
    """Says that a lock would not keep other processes or machines out, why, and the remedy."""


def refuse_loose_locks(directory: Path) -> None:
    """See once a process and file system that locks in a directory, which is made if need be, hold.

    Raises:
        LocksDoNotHold: they do not.
        StoreError: nothing can be written there.
    """
    with explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
        device = directory.stat().st_dev
        if device in _sound:
            return
        if why := loose(directory):
            raise LocksDoNotHold(
                f"{directory}: {why}, so two would write to one place at once: mount it so that locks are the"
                " server's, or keep the store on another disk ($BLUT_STORE)"
            )
        _sound.add(device)


def loose(directory: Path) -> str:
    """Says why locks in a directory do not hold; empty where they do, as far as can be seen.

    Raises:
        OSError: nothing can be written there.
    """
    mount = mount_of(directory)
    kept = LOCAL_OPTIONS.get(mount.kind.rstrip("4") if mount.kind.startswith("nfs") else mount.kind, ())
    if found := sorted(mount.options.intersection(kept)):
        return (
            f"{mount.point} is {mount.kind}, mounted with {found[0]}, which keeps locks from other machines"
        )
    if mount.kind in LOCAL_KINDS:
        return f"{mount.point} is {mount.kind}, which keeps locks from other machines"
    if not _keeps_out(directory):
        return "a lock that one process holds was given to a second one"
    return ""


def unlocked_box(root: Path) -> str:
    """Returns the name of another machine that touches its file in a store without having it locked for us;
    empty if there is none. It takes two beats where one was touched just now and is not locked.
    """
    found = [box for box in boxes(root) if not box.here and box.age_s is not None and box.age_s < 2 * BEAT_S]
    before = {box.path: box.path.stat().st_mtime for box in found if _can_lock(box.path)}
    if before:
        time.sleep(2 * BEAT_S)
    for box in found:
        with contextlib.suppress(OSError):  # gone meanwhile
            if box.path in before and box.path.stat().st_mtime != before[box.path] and _can_lock(box.path):
                return box.name
    return ""


def _can_lock(path: Path) -> bool:
    with contextlib.suppress(OSError), path.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _keeps_out(directory: Path) -> bool:
    """Says whether a second process does not get a lock that this one holds."""
    path = directory / f".probe-{random_name()}"
    tool = shutil.which("flock")  # a tenth of the time of an interpreter
    command = [tool, "-n", str(path), "true"] if tool else [sys.executable, "-S", "-c", ALONE, str(path)]
    try:
        with path.open("x") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True).returncode != 0
    finally:
        path.unlink(missing_ok=True)
