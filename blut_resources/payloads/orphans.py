"""Finds what a run that was killed leaves: a payload that still ends, or that was told to go on.

The next run that works in the same work directory finds it there, before it starts anything: two payloads in
one work directory would spoil each other's checkpoints. Its place is in the work directory, which nobody else
can write. Older versions made places in the temporary directory and left a link to them: what such a link
names may be anybody's by now, so it is looked at before anything there is believed, ended or removed.

Who works there has marked ``unit.holder``, and so has the supervisor
of the payload: only where both are certainly dead is what they left anybody else's.
"""

# What does not work, and why it is as it is:
#
# A pid file: the number means nothing in another container or after a reboot, and may be another process's. A
# time stamp that is renewed: a machine that is suspended, or a disk that hangs, makes the living look dead.
# So the word of the kernel is asked: `unit.holder` is locked (flock) by the run *and* by the supervisor, and
# the lock is dropped when the last of them dies. Only where the lock is free, and what is written in the file
# does not say that a machine out of sight may hold it, is anything ended or removed; *unknown* refuses to
# start, with the two files to remove by hand.
#
# The order in `forget` matters: first the place, then an old link to it, then the mark. Cut short anywhere,
# the next run still finds something that it can recognise as dead. `new_place` claims before it renames to
# the known name, so that nobody finds a place there that no mark speaks for.
#
# A place in the temporary directory does not work: it is emptied by others, and whoever makes the same name
# next chooses what the next run removes and which process it kills. Old links to such places are still found,
# but only a private directory of this user's is believed behind them.
#
# A payload is taken over only on the same boot: what an earlier one wrote and did not flush before a power
# cut is not a result, whatever its outcome file says.

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blut_resources.boxes.beats import beat
from blut_resources.containment import ContainmentError, Unit, attach
from blut_resources.containment.backends.base import OUTCOME, UP
from blut_resources.files.durable import random_name
from blut_resources.files.private import not_private
from blut_resources.launchers.attaching import attach_job
from blut_resources.launchers.files import LAUNCH
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Mark
from blut_resources.machine.processes import boot, boot_id
from blut_resources.payloads.messages import CONSUMED
from blut_resources.payloads.record import write_down
from blut_resources.store.work import (
    HOLDER,
    NAME,
    OWNER,
    name_supervisor,
    owner,
    read_note,
    read_older_holder,
)

ORDER = "order.json"
UNHEARD = "unheard-"
"""What the name of a place begins with whose messages are still to be written down."""
ENDS = "ends-with-its-run"
"""A file in the place of a payload that was not told to go on without its run."""

_held: dict[Path, Mark] = {}
"""Marks of this process, by work directory."""
_beating: dict[Path, Callable[[], None]] = {}
"""What ends that they are touched."""


class InUse(ContainmentError):
    """Says that a process that cannot be seen from here may work in the same directory, and names it."""


def new_place(work: Path, order: Any, adopt: bool) -> Path:
    """Returns an empty directory for a payload,
    known to the next run unless a living process works in ``work``.
    """
    work.mkdir(parents=True, exist_ok=True)
    _hear_out(work.parent)
    place, known = Path(tempfile.mkdtemp(prefix="blut-payload-", dir=work)), work / NAME
    if not adopt:
        (place / ENDS).touch()
    _mark_claimed(work, place, order)
    with contextlib.suppress(OSError):  # it is in use
        return place.rename(known)
    return place


def forget(work: Path, place: Path) -> None:
    """Remove a place, and then the link to it: whoever is killed between the two leaves nothing unknown.

    What a link names goes only if it is a private directory of this user's; else only the link does.
    """
    known = work / NAME
    if not not_private(place):
        shutil.rmtree(place, ignore_errors=True)
    if known.is_symlink() and known.readlink() == place:  # and not that of another run by now
        known.unlink(missing_ok=True)
    if mark := _held.pop(work, None):
        _beating.pop(work)()
        mark.remove()
    else:
        liveness.remove_mark(work / HOLDER)


def bury(work: Path, place: Path) -> None:
    """Remove the place of a dead run's payload, after its last words were written down."""
    if not write_down(place):
        keep_unheard(work, place)
    forget(work, place)


def keep_unheard(work: Path, place: Path) -> None:
    """Keep what a payload has said for later: its run cannot write it down now, as on a full disk."""
    with contextlib.suppress(OSError):
        (place / CONSUMED).unlink(missing_ok=True)  # what was heard was not written
        place.rename(work.parent / f"{UNHEARD}{random_name()}")  # the work may go before it is written


def _hear_out(works: Path) -> None:
    """Write down what payloads have said and their runs could not write."""
    for place in works.glob(f"{UNHEARD}*"):
        if not not_private(place) and write_down(place):
            shutil.rmtree(place, ignore_errors=True)


def mark_of(work: Path) -> Path | None:
    """Returns the file that stands for who works there, for the supervisor to lock as well."""
    return work / HOLDER if work in _held else None


def left_in(work: Path, waits: Callable[[str], str] = lambda _: "") -> Unit | RemoteUnit | None:
    """Returns what a dead run left there, living or ended;
    None if there is nothing, or a living process has it.

    Args:
        waits: told what is waited for where a scheduler does not answer, see `Launcher.start`.

    Raises:
        InUse: nobody can tell from here whether what is there lives.
        NeverStarted: ``waits`` said why to wait no longer.
    """
    known = work / NAME
    if not os.path.lexists(known):
        return None
    place = known.readlink() if known.is_symlink() else known
    if reason := not_private(place):
        if not known.is_symlink():
            raise InUse(
                f"{known} {reason}: run as that user, or remove it; where a run of theirs died, their"
                " `blut jobs` clears it up, and its checkpoint stays for whoever runs the same"
            )
        forget(work, place)
        return None
    if (lives := owner(work)) == "yes":
        return None
    elsewhere = is_launched(work)
    unit = (attach_job(place, waits) if elsewhere else attach(place)) if lives == "no" else None
    if unit is None:
        if lives == "unknown" or (_may_live(work) and not elsewhere):
            raise InUse(_explain_use(work))
        bury(work, place)
    return unit


def is_launched(work: Path) -> bool:
    """Says whether a job on another machine was ordered for what is left there."""
    return (work / NAME / LAUNCH).exists()


def _may_live(work: Path) -> bool:
    """Says whether a supervisor that cannot be attached to may be at work all the same."""
    if (work / HOLDER).exists():
        return liveness.marked(work / HOLDER) != "no"
    up = read_note(work / NAME / UP)
    return bool(up) and liveness.alive(name_supervisor(up)) != "no"


def _explain_use(work: Path) -> str:
    known = liveness.holders(work / HOLDER) or [read_older_holder(work / NAME)]
    return (
        f"{work} is in use by {known[-1] or 'a process that left no name'}, which cannot be seen from here:"
        " wait until that run has ended, or cancel it there; if that machine or container is no more,"
        f" remove {work / NAME} and {work / HOLDER}"
    )


def end_abandoned(works: Path) -> None:
    """End what is left of payloads whose run and supervisor were both killed; nobody else does.

    The places of those that have ended are removed, but for those that may be taken over.
    """
    _hear_out(works)
    for known in works.glob(f"*/{NAME}"):
        if is_launched(known.parent):  # it goes on, for whoever wants the same
            continue
        unit = None
        with contextlib.suppress(InUse):
            unit = left_in(known.parent)
        if unit is None:
            continue
        if not _was_told_to_go_on(unit.place) and (unit.place / OUTCOME).exists():
            with contextlib.suppress(ContainmentError):
                unit.close()
                bury(known.parent, unit.place)
        else:
            unit.detach()


def is_out_of_sight(work: Path) -> bool:
    """Says whether another machine may be at work in a directory, of which this kernel knows nothing."""
    if not os.path.lexists(work / NAME) or owner(work) != "unknown":
        return False
    known = liveness.holders(work / HOLDER)
    return bool(known) and all(holder.complete and holder.boot != boot_id() for holder in known)


def may_go_on(work: Path, unit: Unit | RemoteUnit) -> bool:
    """Says whether it was told to outlive its run, and what it has written by now can be relied on."""
    if (work / NAME).is_symlink() or not _was_told_to_go_on(unit.place):
        return False
    if is_launched(work):  # by a machine that is not this one, which may have started again
        return True
    # what was written before a power cut and never flushed is no result, whatever its outcome says
    return (read_note(unit.place / UP) or {}).get("boot") == boot()


def _was_told_to_go_on(place: Path) -> bool:
    """Says whether it was told to outlive its run;
    of older versions a place in the work directory was not.
    """
    return place.name == NAME and not (place / ENDS).exists()


def order_of(unit: Unit | RemoteUnit) -> Any:
    """Returns what it was told to do."""
    return read_note(unit.place / ORDER)


def claim(work: Path, unit: Unit | RemoteUnit) -> None:
    """Make it this process's."""
    _mark_claimed(work, unit.place, order_of(unit))


def _mark_claimed(work: Path, place: Path, order: Any) -> Path:
    (place / ORDER).write_text(json.dumps(order))
    (place / OWNER).write_text(json.dumps(list(liveness.this_process())))
    if work not in _held:
        _held[work] = mark = Mark(work / HOLDER)
        _beating[work] = beat(mark)
    return place
