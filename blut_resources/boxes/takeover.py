"""Copies the state of a computation, of which another machine may come back at any time and write on."""

import shutil
from pathlib import Path

SUPERSEDED = "superseded"
"""A file in a directory that is left to such a machine: others go on elsewhere."""
LEFT = ("unit*", "out", SUPERSEDED, ".*")
"""What stays there: a process and who marks it, what it was about to hand over, what is half written."""
TRIES = 3


def copy_state(before: Path, after: Path) -> None:
    """Copy what a training goes on from; nothing is linked, for the other machine may write to it.

    Raises:
        OSError: it cannot be copied, or changes all the time.
    """
    for left in reversed(range(TRIES)):
        try:
            shutil.copytree(before, after, symlinks=True, ignore=shutil.ignore_patterns(*LEFT))
        except shutil.Error:  # a checkpoint went while it was copied
            shutil.rmtree(after, ignore_errors=True)
            if not left:
                raise
        else:
            return
