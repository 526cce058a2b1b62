"""Tells which machines have worked with a store, and when each was seen last."""

# A box is one kernel: containers of it are one box, whatever they call themselves. Its file is touched and
# kept locked by each of its processes that works for a run. So whoever finds a file touched just now, by
# another kernel, and can lock it, has found that locks do not travel between the two: see `probe`.

import contextlib
import fcntl
import io
import os
import time
from pathlib import Path
from typing import NamedTuple

from blut_resources.boxes.beats import age_s, beat, limit_s
from blut_resources.files.modes import make_private
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Holder
from blut_resources.machine.mounts import mount_of
from blut_resources.machine.processes import boot_id, machine_id

BOXES = "boxes"
_shown: dict[Path, io.FileIO] = {}
os.register_at_fork(after_in_child=_shown.clear)


class Box(NamedTuple):
    """Describes a machine: its name, how many seconds ago it was seen, and whether it is this one.

    ``age_s`` is None where nobody can tell. ``path`` is the file that it touches.
    """

    name: str
    age_s: float | None
    here: bool
    path: Path


def show_box(root: Path) -> None:
    """Show to others that this machine works with the store in ``root``, until this process ends."""
    mine = liveness.this_process()
    path = root / BOXES / f"{_name(mine)}-{machine_id()[:8] or mine.boot[:8]}"
    if path in _shown:
        return
    with contextlib.suppress(OSError):  # a store that can only be read
        make_private(root)
        path.parent.mkdir(exist_ok=True)
        file = io.FileIO(os.open(path, os.O_RDWR | os.O_CREAT, 0o666), "r+")
        fcntl.flock(file, fcntl.LOCK_SH)
        file.truncate()
        file.write(f"{mine.line()}\n".encode())
        beat(file)
        _shown[path] = file


def boxes(root: Path) -> list[Box]:
    """Returns the machines that have worked with a store, the one that was seen last first."""
    found: list[Box] = []
    for path in sorted((root / BOXES).glob("[!.]*")) if (root / BOXES).is_dir() else ():
        with contextlib.suppress(OSError):
            if holder := Holder.of(path.read_text(errors="replace")):
                found.append(Box(_name(holder), age_s(path), is_here(holder, path), path))
    return sorted(found, key=lambda box: (box.age_s is None, box.age_s))


def others_lately(root: Path) -> list[Box]:
    """Returns the other machines that may be at work with a store: those seen within the limit."""
    return [box for box in boxes(root) if not box.here and (box.age_s is None or box.age_s <= limit_s())]


def is_here(holder: Holder, touched: Path) -> bool:
    """Says whether a process was one of this machine, which may have been started anew since.

    Args:
        touched: a file that it has touched. What was done since this machine was started was done by another
            kernel, whatever its names are.
    """
    if holder.boot == boot_id():
        return True
    number = holder.machine.rpartition("/")[2]
    # containers often have no id: what only this kernel can write to was written by it, before a reboot
    from_here = number == machine_id() and (number != "" or mount_of(touched).is_local)
    age = age_s(touched) if from_here else 0.0
    if age is None:  # nothing can be written there
        age = time.time() - touched.stat().st_mtime
    return from_here and age > time.clock_gettime(time.CLOCK_BOOTTIME)


def _name(holder: Holder) -> str:
    return holder.machine.partition("/")[0] or os.uname().nodename
