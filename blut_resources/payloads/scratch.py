"""Gives a process tree that has no work directory a place of its own, which goes with it.

Places are below one private directory of this user in the temporary directory. Whoever makes one removes
those that killed runs have left, and what may be left of their processes.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from blut_resources.containment.unit import ContainmentError, attach
from blut_resources.files.private import PRIVATE_DIRECTORY, not_private
from blut_resources.machine import liveness

MARK = "holder"
"""The file in a place that is locked for as long as its process tree or who started it lives."""


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """Make an empty place for one process tree, and remove it at the end.

    Raises:
        ContainmentError: the directory above it is not this user's alone.
    """
    above = Path(tempfile.gettempdir()) / f"blut-pipes-{os.geteuid()}"
    above.mkdir(PRIVATE_DIRECTORY, exist_ok=True)
    if reason := not_private(above):
        raise ContainmentError(f"{above} {reason}: remove it, or set TMPDIR to a directory of your own")
    _sweep(above)
    place = Path(tempfile.mkdtemp(dir=above))
    mark = liveness.Mark(place / MARK)
    try:
        yield place
    finally:
        mark.close()
        shutil.rmtree(place, ignore_errors=True)


def _sweep(above: Path) -> None:
    for place in above.iterdir():
        if not (place / MARK).exists() or liveness.marked(place / MARK) != "no":
            continue  # it is being made, or somebody lives there
        with contextlib.suppress(ContainmentError):
            if unit := attach(place):
                unit.close()
            shutil.rmtree(place, ignore_errors=True)
