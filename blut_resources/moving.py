"""Moves the history of a home from SQLite to a PostgreSQL: copies it, and lets the home's settings name that.

The settings are changed last. Whoever is killed before goes on with SQLite, which stays as it was; the same
command again begins anew, or, where the copy is whole, only changes the settings.
"""

import contextlib
import functools
import json
import sqlite3
import time
from pathlib import Path
from typing import NamedTuple

import dagster as dg

from blut_resources.alive import LAUNCHED, reap_dead_runs
from blut_resources.dagster_private.birth import newest_revision, revision_of
from blut_resources.dagster_private.copying import copy, mark_of
from blut_resources.dagster_private.pool import ReadConnection
from blut_resources.database import connections
from blut_resources.database.address import Address
from blut_resources.files.durable import StoreError, file_lock, write_atomic
from blut_resources.instance.database import keeps_own, with_storage
from blut_resources.instance.home import not_born
from blut_resources.instance.instance import open_instance
from blut_resources.instance.remembered import remember_numbers, translated

DAEMON_S = 60.0
"""Seconds since its last sign of life in which a daemon counts as running."""
BEAT = "SELECT max(strftime('%s', timestamp)) FROM daemon_heartbeats"
STATE = {
    "history/runs.db": "SELECT count(*), max(id), max(update_timestamp) FROM runs",
    "history/runs/index.db": "SELECT count(*), max(id) FROM event_logs",
    "schedules/schedules.db": "SELECT count(*), max(id), max(update_timestamp) FROM job_ticks",
}


class MoveRefused(StoreError):
    """Says why a history cannot be moved now, and what to do."""


class Moved(NamedTuple):
    """Says what was copied: the rows of each table, none if all were there.

    ``numbered_by`` names what may remember events by their numbers, so that they have kept them.
    """

    counts: dict[str, int]
    numbered_by: list[str]


def move(home: Path, address: Address) -> Moved:
    """Move the history of a home into a database.

    Raises:
        MoveRefused: there is none in the home, or somebody works with it.
        DatabaseTrouble: the database cannot take it.
        StoreError: the settings of the home cannot be written.
    """
    settings = home / "dagster.yaml"
    if said := not_born(home):
        raise MoveRefused(f"{said}, in a database if $BLUT_DATABASE names one")
    keeps_own(home)
    if not (home / "history" / "runs.db").is_file():
        raise MoveRefused(f"{home} has no history yet; the first run begins one, where $BLUT_DATABASE says")
    with open_instance() as instance:
        refuse_busy(instance, home)
        kept_by = sorted(set(remember_numbers(instance, home)))
    _refuse_old(home)
    pool, mark = connections.to(address), _mark(home)
    with _nobody_begins(home):
        there = mark_of(pool) == mark
        unchanged = functools.partial(_refuse_changed, home, mark)
        counts = {} if there else copy(home, pool, mark, unchanged, None if kept_by else translated)
        text = settings.read_text() if settings.is_file() else ""
        write_atomic(settings.resolve(), with_storage(text, address).encode())
    return Moved(counts, kept_by)


def refuse_busy(instance: dg.DagsterInstance, home: Path) -> None:
    """Refuse a history with which somebody works: what is written meanwhile would be missing.

    Raises:
        MoveRefused: a run has not ended, or the daemon runs.
    """
    reap_dead_runs(instance)
    live = instance.get_runs(dg.RunsFilter(statuses=[*LAUNCHED, dg.DagsterRunStatus.NOT_STARTED]))
    if live:
        names = ", ".join(run.run_id[:8] for run in live[:5])
        raise MoveRefused(f"runs are at work ({names}): wait for them, or end them with `blut cancel`")
    age = time.time() - float(_asked(home / "history" / "runs.db", BEAT)[0] or 0)
    if 0 <= age < DAEMON_S:
        raise MoveRefused(f"a daemon works with {home} (seen {age:.0f} s ago): end it, wait a minute")


def _refuse_old(home: Path) -> None:
    head = newest_revision()
    for name in STATE:
        path = home / name
        if path.is_file() and head and revision_of(path) not in (head, None):
            raise MoveRefused(
                f"{path} is of another Dagster: `dagster instance migrate` brings it up to this one"
            )


def _mark(home: Path) -> str:
    """Returns what tells this state of the history from others."""
    state = [_asked(home / name, query) for name, query in STATE.items() if (home / name).is_file()]
    identity = _asked(home / "history" / "runs.db", "SELECT run_storage_id FROM instance_info")
    return json.dumps([identity, *state])


def _refuse_changed(home: Path, mark: str) -> None:
    if _mark(home) != mark:
        raise MoveRefused(
            f"the history of {home} has changed while it was copied; nothing was kept: run it again"
        )


def _asked(path: Path, query: str) -> tuple[str | int | None, ...]:
    with contextlib.closing(sqlite3.connect(path, factory=ReadConnection)) as connection:
        return connection.execute(query).fetchone() or (None,)


def _nobody_begins(home: Path) -> contextlib.AbstractContextManager[None]:
    """Keep runs of Blut's from beginning: each takes this lock first."""
    return file_lock(home / "alive" / ".lock")
