"""Finds the processes that work for a run, and says where those are that cannot be seen from here."""

from pathlib import Path

import dagster as dg

from blut_resources import holding
from blut_resources.boxes.beats import age_s
from blut_resources.instance.instance import home_of
from blut_resources.machine import liveness
from blut_resources.machine.amounts import duration_text
from blut_resources.runs import heartbeat
from blut_resources.runs.files import run_dir


def workers(instance: dg.DagsterInstance, run_id: str) -> list[liveness.Holder]:
    """Returns the processes that work for a run, or may: those that are known to have ended are left out."""
    path = alive_in(instance) / run_id
    if liveness.marked(path) == "no":
        return []
    return [holder for holder in liveness.holders(path) if liveness.alive(holder) != "no"]


def all_out_of_sight(instance: dg.DagsterInstance) -> dict[str, list[liveness.Holder]]:
    """Returns the runs of which nobody can tell from here whether they still work, with their processes."""
    alive, found = alive_in(instance), dict[str, list[liveness.Holder]]()
    for path in marks(alive):
        run, hidden = instance.get_run_by_id(path.name), out_of_sight(instance, path.name)
        if hidden and run is not None and not run.is_finished:
            found[run.run_id] = hidden
    return found


def out_of_sight(instance: dg.DagsterInstance, run_id: str) -> list[liveness.Holder]:
    """Returns those of them of which nobody can tell from here whether they live."""
    return [holder for holder in workers(instance, run_id) if liveness.alive(holder) == "unknown"]


def whereabouts(instance: dg.DagsterInstance, run_id: str) -> str:
    """Says where a run works that cannot be seen from here, and when it was seen last; else nothing."""
    hidden = out_of_sight(instance, run_id)
    if not hidden:
        return ""
    age = age_s(beats(home_of(instance), run_id))
    return f"on {hidden[0].host}" + (f", last seen {duration_text(age)} ago" if age is not None else "")


def beats(home: Path, run_id: str) -> Path:
    """Returns the file by whose time a run was seen last: from its start on another than before."""
    lived, mark = run_dir(home, run_id) / heartbeat.NAME, home / "alive" / run_id
    return lived if lived.exists() else mark


def alive_in(instance: dg.DagsterInstance) -> Path:
    """Returns where processes mark the runs that they work for."""
    return home_of(instance) / "alive"


def marks(alive: Path) -> list[Path]:
    """Returns the marks of other processes than this one."""
    found = sorted(alive.iterdir()) if alive.is_dir() else []
    own = holding.held()
    return [path for path in found if path.name[0] != "." and path.name not in own and path.is_file()]
