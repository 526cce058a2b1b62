"""Brings the events of a SQLite history into one table: those of all runs, and those that are kept twice.

Dagster keeps the events of each run in a database of their own, numbered from 1, and those of assets, checks
and states of runs once more in an index, numbered apart. Who remembers the number of an event, such as the
cursor of a sensor, a check or the record of an asset, has that of the index: these are kept. The numbers in
between are taken, so the other events of a run get numbers below zero, in their order: nobody who asks for
what is newer than a number finds them. Look at ``store_event`` of ``SqliteEventLogStorage``.
"""

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from blut_resources.dagster_private.events import MIRRORED
from blut_resources.dagster_private.pool import ReadConnection

COLUMNS = ("run_id", "event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition")
INDEXED = frozenset(kind.value for kind in MIRRORED)
PAGE = 2000
LOWEST = -(1 << 40)
"""Number of the first event that the index does not have: far more are below zero than a history has."""


class EventRow(NamedTuple):
    """Holds an event, and its number where it was read."""

    number: int
    values: tuple[Any, ...]

    @property
    def is_indexed(self) -> bool:
        """Says whether the index is told of such events too."""
        return self.values[2] in INDEXED


class Merged:
    """Gives the events of a history with the numbers that they have from now on.

    Args:
        runs: the directory with the index and a database for each run.
    """

    def __init__(self, runs: Path) -> None:
        self._runs, self._index = runs, runs / "index.db"
        self.digests: dict[tuple[str, bool], str] = {}
        """Of the texts of events in the order of their numbers: by run, and whether the index has them."""

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yields each event as a row, with its number first."""
        hashes: dict[tuple[str, bool], Any] = {}
        for number, values in self._merged():
            key = (values[0], number > 0)
            hashes.setdefault(key, hashlib.md5(usedforsecurity=False)).update(values[1].encode())
            yield (number, *values)
        self.digests = {key: one.hexdigest() for key, one in hashes.items()}

    def _merged(self) -> Iterator[EventRow]:
        number = LOWEST
        with contextlib.closing(_opened(self._index)) as index:
            yield from _read(index)
            for path in sorted(self._runs.glob("*.db")):
                if path == self._index:
                    continue
                twice = list(_read(index, path.name.removesuffix(".db")))
                for row in _of_run(path):
                    if not _taken(row, twice):
                        yield EventRow(number, _alone(row))
                        number += 1


def _taken(row: EventRow, twice: list[EventRow]) -> bool:
    """Says whether the index has an event of a run too, and takes it out of those that it has of the run."""
    if row.is_indexed:
        for at, one in enumerate(twice):
            if _is_same(row, one):
                del twice[at]
                return True
    return False


def _is_same(one: EventRow, other: EventRow) -> bool:
    if one.values[2:4] != other.values[2:4]:
        return False
    return one.values[1] == other.values[1] or json.loads(one.values[1]) == json.loads(other.values[1])


def _alone(row: EventRow) -> tuple[Any, ...]:
    """Returns an event that the index has forgotten, such as of an asset that was wiped: for its run only."""
    values = row.values
    return values if not row.is_indexed else (*values[:5], None, *values[6:])


def _of_run(path: Path) -> Iterator[EventRow]:
    with contextlib.closing(_opened(path)) as connection:
        yield from _read(connection)


def _read(connection: sqlite3.Connection, run_id: str | None = None) -> Iterator[EventRow]:
    """Yields the events of a database in their order; of one run, or all."""
    there = {row[1] for row in connection.execute("PRAGMA table_info(event_logs)")}
    if not there:
        return
    names = ", ".join(name if name in there else f"NULL AS {name}" for name in COLUMNS)
    which, values = ("WHERE run_id = ?", [run_id]) if run_id is not None else ("", [])
    cursor = connection.execute(f"SELECT id, {names} FROM event_logs {which} ORDER BY id", values)  # noqa: S608
    while page := cursor.fetchmany(PAGE):
        for number, *row in page:
            yield EventRow(number, tuple(row))


def _opened(path: Path) -> sqlite3.Connection:
    if Path(f"{path}-wal").exists():  # what was written last may be there only
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return sqlite3.connect(path, factory=ReadConnection)
