"""Says who may remember events by their numbers, and what it has to remember when these are new."""

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from blut_resources.dagster_private.instigators import SensorCursor, cursors
from blut_resources.dagster_private.pool import ReadConnection
from blut_resources.instance.renamed import ALERTS, RENAMED

TELLS = RENAMED[ALERTS]
IN_WORDS = set(RENAMED.values()) - {TELLS}
"""Sensors of Blut's that leave words, and digests of bytes."""
ALERTS_TOLD = "alerts/state.json"
KEPT = "SELECT key FROM kvs WHERE value GLOB '*[0-9]*' AND value != '1'"  # 1 is what Dagster says for yes
UNDER_WAY = "SELECT count(*) FROM bulk_actions WHERE status IN ('REQUESTED', 'CANCELING')"


def remember_numbers(instance: dg.DagsterInstance, home: Path) -> Iterator[str]:
    """Yields, in words, what may remember numbers of events in a form that only itself knows."""
    for cursor in cursors(instance):
        if translated(cursor, lambda number: number) is None:
            yield f"the sensor {cursor.sensor}"
    if (home / ALERTS_TOLD).exists():
        yield "the alerts"
    with contextlib.closing(sqlite3.connect(home / "history" / "runs.db", factory=ReadConnection)) as runs:
        yield from (f"a daemon ({key})" for (key,) in runs.execute(KEPT))
        if runs.execute(UNDER_WAY).fetchone()[0]:
            yield "a backfill"


def translated(cursor: SensorCursor, now: Callable[[int], int]) -> str | None:
    """Returns a cursor that names the same events by the numbers that they have now.

    Args:
        cursor: what a sensor has left for its next tick.
        now: gives the number of an event.

    Returns:
        None for a form that is not known.
    """
    text = cursor.text
    if cursor.sensor in IN_WORDS or not re.search(r"\d", text):
        return text
    if cursor.kind == "ASSET" and text.isdigit():
        return str(now(int(text)))
    try:
        said = json.loads(text)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    of_runs = cursor.kind == "RUN_STATUS" and said.get("__class__") == "RunStatusSensorCursor"
    if of_runs and not said.get("update_timestamp"):  # which an old Dagster has left, and goes by instead
        return json.dumps({**said, "record_id": now(said["record_id"])})
    if cursor.sensor == TELLS:
        return json.dumps({**said, **({"runs": now(said["runs"])} if "runs" in said else {})})
    return None
