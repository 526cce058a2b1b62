"""Keeps some room of a file system back, so that how something ended can be written when it is full.

A run on a full disk could neither be marked as failed nor say why. What is kept back is a file of blocks
without bytes in it: where a file system knows no such thing, or has too little, it is of none. That the end
found no room is shown by another name beside it, for whoever completes the run: the name takes no room.
"""

import contextlib
import os
import sys
from pathlib import Path

from blut_resources.files.full import full_place

NAME, NEEDED = ".room", ".full"
BYTES = 1 << 20
"""The last events of a run in three databases and their logs, its manifest and its stream take less."""
TIMES = 4
"""Times so much has to be free, else none is taken: the disk would be full of this."""
_KEEP_SIZE = 1
_kept: dict[Path, bool] = {}
"""Whether there is some room in each."""
_needed: set[Path] = set()


def keep(directory: Path) -> None:
    """Keep some room in a directory back for what this process has to write there last."""
    import ctypes

    path = directory / NAME
    with contextlib.suppress(OSError, AttributeError):
        fs = os.statvfs(directory)
        enough = fs.f_bavail * fs.f_frsize >= BYTES * TIMES
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if enough:
                ctypes.CDLL(None).fallocate(descriptor, _KEEP_SIZE, ctypes.c_long(0), ctypes.c_long(BYTES))
        finally:
            os.close(descriptor)
        _kept[path] = enough


def drop(directory: Path) -> None:
    """Give up what was kept back in a directory, by whomever: all is written."""
    with contextlib.suppress(OSError):
        (directory / NAME).unlink(missing_ok=True)
    _kept.pop(directory / NAME, None)


def use() -> None:
    """Give everything back that this process keeps: a file system is full, and the end is to be written."""
    while _kept:
        path, some = _kept.popitem()
        _needed.add(path.parent)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
            path.with_name(NEEDED).touch()
        if some:
            print(
                f"blut: {path.parent}: {full_place(path.parent)}; the room that was kept back for the end of"
                " the run is used now: make room there",
                file=sys.stderr,
            )


def was_needed(directory: Path) -> bool:
    """Says whether what was kept back in a directory had to be used, by whichever process."""
    return directory in _needed or (directory / NEEDED).exists()
