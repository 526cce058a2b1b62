"""Carries over what an instance kept of Blut's sensors when these had names without ``blut_``."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import dagster as dg

from blut_resources.dagster_private.instigators import (
    InstigatorState,
    Place,
    copy_to,
    cursor_of,
    forget,
    kept_as,
    place_of,
    place_of_run,
    sensors_of,
)
from blut_resources.files.durable import file_lock

ALERTS = "alerts"
"""They go last: by what they have left one knows whose sensors these are, also after a death half-way."""
RENAMED: Mapping[str, str] = {
    name: f"blut_{name}"
    for name in ("retraining", "corpus_watch", "leaderboards", "housekeeping", "reaper", ALERTS)
}
"""Old name -> name."""
OFF = {"housekeeping"}
"""Off unless somebody switches them on; the daemon keeps nothing of them by itself."""
ALERTS_KEEP = {"runs", "checks", "since", "owed"}
SENSOR_TAG = "dagster/sensor_name"


def carry_over(instance: dg.DagsterInstance, tick_of: str = "") -> list[str]:
    """Give switches, cursors and runs of Blut's sensors to their new names; returns a line for each sensor.

    It does so once: afterwards nothing is kept under an old name. A sensor of somebody else that has such a
    name stays as it is. What a sensor has told or started under its old name it does not do again.

    Args:
        tick_of: the sensor in whose tick this is. The daemon is then about to keep something of the others
            that are on unless told otherwise, and would fail if that was there; each of them comes later.
    """
    if not _older(instance):
        return []
    with file_lock(Path(instance.root_directory) / ".renamed.lock"):
        found = _older(instance)
        return [line for place, states in found.items() for line in _moved(instance, place, states, tick_of)]


def _older(instance: dg.DagsterInstance) -> dict[Place, dict[str, InstigatorState]]:
    """Returns what is kept under old names in the locations that had loaded an older version."""
    found: dict[Place, dict[str, InstigatorState]] = defaultdict(dict)
    for state in sensors_of(instance):
        if state.instigator_name in RENAMED:
            found[place_of(state)][state.instigator_name] = state
    return {place: states for place, states in found.items() if _is_bluts(states)}


def _is_bluts(states: Mapping[str, InstigatorState]) -> bool:
    """Says whether these are Blut's: others may call a sensor of theirs so too."""
    if ALERTS not in states:
        return False
    try:
        kept = json.loads(cursor_of(states[ALERTS]) or "{}")
    except ValueError:
        return False
    return isinstance(kept, dict) and (kept.keys() >= ALERTS_KEEP or (not kept and len(states) > 3))


def _moved(
    instance: dg.DagsterInstance, place: Place, states: Mapping[str, InstigatorState], tick_of: str
) -> list[str]:
    lines, left = [], dict(states)
    for old, name in RENAMED.items():
        if old not in states:
            continue
        if tick_of not in ("", name) and old not in OFF and not kept_as(instance, states[old], name):
            continue
        _retag(instance, place, old, name)
        copy_to(instance, states[old], name)
        if old == ALERTS and len(left) > 1:
            continue
        forget(instance, left.pop(old))
        lines.append(f"{old} of {place.words} is called {name} now: its switch and its cursor stay")
    return lines


def _retag(instance: dg.DagsterInstance, place: Place, old: str, name: str) -> None:
    """Let the runs that a sensor asked for say its new name: by it and a key the daemon knows them again."""
    for run in instance.get_runs(dg.RunsFilter(tags={SENSOR_TAG: old})):
        where = place_of_run(run)
        own = any(tag.startswith("blut/") for tag in run.tags)
        if where == place or (where is None and own):
            instance.add_run_tags(run.run_id, {SENSOR_TAG: name})
