"""Takes over a payload that was told to outlive its run, and did; ends whatever else a dead run has left."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg

from blut_resources.containment import Unit
from blut_resources.files.durable import remove_tree
from blut_resources.launchers.remote_unit import RemoteUnit
from blut_resources.payloads import orphans
from blut_resources.payloads.payload import Payload
from blut_resources.payloads.watching import has_ended
from blut_resources.store.work import owner


def can_be_taken_over(work: Path) -> bool:
    """Says whether something in ``work`` has outlived its run: its ``out`` is to be left alone then."""
    if orphans.is_launched(work):  # whose scheduler need not be asked for that
        return owner(work) != "yes"
    unit = orphans.left_in(work)
    if unit is None:
        return False
    unit.detach()
    return orphans.may_go_on(work, unit)


def taken_over(
    payload: Payload, log: dg.DagsterLogManager, waits: Callable[[str], str]
) -> Unit | RemoteUnit | None:
    """Returns this very payload, left by a dead run to go on; anything else that was left there is ended.

    Args:
        waits: see `Launcher.start`.

    Raises:
        InUse: nobody can tell from here whether what is there lives.
        NeverStarted: ``waits`` said why to wait no longer.
    """
    unit = orphans.left_in(payload.work, waits)
    if unit is None:
        return None
    over, goes_on = has_ended(unit, 0), orphans.may_go_on(payload.work, unit)
    ending = isinstance(unit, RemoteUnit) and unit.is_ending
    fine = unit.wait().ok if over else not ending
    if goes_on and orphans.order_of(unit) == payload.order() and fine:
        orphans.claim(payload.work, unit)
        return unit
    if goes_on or not over:
        what = f"ended without it: {unit.wait().describe()}" if over else "has to end first"
        log.warning(f"{payload.name}: what a dead run left {what}")
    with unit:
        pass
    orphans.bury(payload.work, unit.place)
    if goes_on:
        for left in payload.out.iterdir() if payload.out.is_dir() else ():
            remove_tree(left)
    return None
