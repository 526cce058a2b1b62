"""What a run that was killed leaves: a payload that still ends, or that was told to go on.

The next run that works in the same work directory finds it there, before it starts anything: two payloads in
one work directory would spoil each other's checkpoints. A payload that was told to go on has its place in the
work directory, any other a link to it.
"""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from blut_resources.containment import ContainmentError, Unit, attach
from blut_resources.containment.backend import OUTCOME, UP
from blut_resources.containment.tree import boot, start_time

NAME, OWNER, ORDER = "unit", "owner.json", "order.json"


def new_place(work: Path, order: Any, adopt: bool) -> Path:
    """An empty directory for a payload, known to the next run unless a living process works in ``work``."""
    work.mkdir(parents=True, exist_ok=True)
    place, known = Path(tempfile.mkdtemp(prefix="blut-payload-", dir=work if adopt else None)), work / NAME
    _claimed(place, order)
    with contextlib.suppress(OSError):  # it is in use, or this filesystem has no links
        if adopt:
            place.rename(known)
            return known
        known.symlink_to(place)
    return place


def forget(work: Path, place: Path) -> None:
    """Remove a place, and then the link to it: whoever is killed between the two leaves nothing unknown."""
    known = work / NAME
    shutil.rmtree(place, ignore_errors=True)
    if known.is_symlink() and known.resolve() == place.resolve():  # and not that of another run by now
        known.unlink(missing_ok=True)


def owned(work: Path) -> bool:
    """Whether what is in ``work`` belongs to a process that lives."""
    owner = _read(work / NAME / OWNER)
    return bool(owner) and start_time(owner[0]) == owner[1]


def left_in(work: Path) -> Unit | None:
    """What a dead run left there, living or ended; None if there is nothing, or a living process has it."""
    known = work / NAME
    if not os.path.lexists(known) or owned(work):
        return None
    unit = attach(known.resolve())
    if unit is None:
        forget(work, known.resolve())
    return unit


def end_abandoned(works: Path) -> None:
    """End what is left of payloads whose run and supervisor were both killed; nobody else does.

    The places of those that have ended are removed, but for those that may be taken over.
    """
    for known in works.glob(f"*/{NAME}"):
        unit = left_in(known.parent)
        if unit is None:
            continue
        if known.is_symlink() and (unit.place / OUTCOME).exists():
            with contextlib.suppress(ContainmentError):
                unit.close()
                forget(known.parent, unit.place)
        else:
            unit.detach()


def may_go_on(work: Path, unit: Unit) -> bool:
    """Whether it was told to outlive its run, and what it has written by now can be relied on."""
    if (work / NAME).is_symlink():
        return False
    # what was written before a power cut and never flushed is no result, whatever its outcome says
    return (_read(unit.place / UP) or {}).get("boot") == boot()


def order_of(unit: Unit) -> Any:
    """What it was told to do."""
    return _read(unit.place / ORDER)


def claim(unit: Unit) -> None:
    """It belongs to this process now."""
    _claimed(unit.place, order_of(unit))


def _claimed(place: Path, order: Any) -> Path:
    (place / ORDER).write_text(json.dumps(order))
    (place / OWNER).write_text(json.dumps([os.getpid(), start_time(os.getpid())]))
    return place


def _read(path: Path) -> Any:
    with contextlib.suppress(OSError, ValueError):
        return json.loads(path.read_text())
    return None
