"""Says whose a work directory of the store is: the run or the supervisor that has marked it, dead or alive.

Places of older versions have no mark, but a file with the pid and start time of their owner.
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

from blut_resources.containment.backends.base import UP
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Answer, Holder

NAME, OWNER = "unit", "owner.json"
"""The place of a payload in its work directory, and in it who an older version said had made it."""
HOLDER = "unit.holder"


def owner(work: Path) -> Answer:
    """Says whether the process lives to which what is in ``work`` belongs."""
    path = work / HOLDER
    if not path.exists():
        return _ask_older_owner(work / NAME)
    if not liveness.locked(path):
        return liveness.marked(path)
    known = liveness.holders(path)  # with its lock held, by the owner or by the supervisor
    return liveness.alive(known[-1]) if known else "unknown"


def _ask_older_owner(place: Path) -> Answer:
    """Says whether the owner of a place lives that left only pid and start time: by its supervisor's boot."""
    found = read_older_holder(place)
    if found is None:
        return "no" if not os.path.lexists(place) or place.is_dir() else "unknown"
    return liveness.alive(found)


def read_older_holder(place: Path) -> Holder | None:
    """Returns the process that an older version wrote down; None if it wrote none."""
    found, up = Holder.of(read_note(place / OWNER)), read_note(place / UP) or {}
    if found is None or found.boot or not up:
        return found
    return Holder(found.pid, found.start, *name_supervisor(up)[2:])


def name_supervisor(up: dict[str, Any]) -> Holder:
    """Returns the supervisor of a payload, out of what it has left in its file `UP`."""
    where, _, namespace = up.get("boot", "").partition(" ")
    return Holder(up.get("pid", 0), up.get("start"), where, namespace, up.get("machine", ""))


def read_note(path: Path) -> Any:
    """Returns what a file of JSON says; None where it is missing or torn."""
    with contextlib.suppress(OSError, ValueError, RecursionError):
        return json.loads(path.read_text())
    return None
