"""Brings the events of a SQLite history into one order: those of all runs, and those that are kept twice.

Dagster keeps the events of each run in a database of their own, numbered from 1, and those of assets, checks
and states of runs once more in an index, numbered apart. One table can keep neither numbering. What each
order says stays: of the index, and of each run. Look at ``store_event`` of ``SqliteEventLogStorage``.
"""

import contextlib
import hashlib
import json
import sqlite3
from bisect import bisect_right
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from blut_resources.dagster_private.events import MIRRORED
from blut_resources.dagster_private.pool import ReadConnection

COLUMNS = ("run_id", "event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition")
INDEXED = frozenset(kind.value for kind in MIRRORED)
PAGE = 2000


class EventRow(NamedTuple):
    """Holds an event, and its number in the index; 0 of one that is not there."""

    values: tuple[Any, ...]
    number: int = 0

    @property
    def is_indexed(self) -> bool:
        """Says whether the index is told of such events too."""
        return self.values[2] in INDEXED


class Merged:
    """Gives the events of a history in one order, and remembers which number in the index became which.

    Args:
        runs: the directory with the index and a database for each run.
    """

    def __init__(self, runs: Path) -> None:
        self._runs = runs
        self._old: list[int] = []
        self._new: list[int] = []
        self.digests: dict[str, str] = {}

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yields each event as a row, with its new number first."""
        hashes: dict[str, Any] = {}
        for new, row in enumerate(self._merged(), 1):
            if row.number:
                self._old.append(row.number)
                self._new.append(new)
            run_id, event = row.values[:2]
            hashes.setdefault(run_id, hashlib.md5(usedforsecurity=False)).update(event.encode())
            yield (new, *row.values)
        self.digests = {run_id: one.hexdigest() for run_id, one in hashes.items()}

    def now(self, number: int) -> int:
        """Returns the new number of the newest event of the index up to a number.

        What is beyond all of them is not a number of an event, and stays as it is.
        """
        at = bisect_right(self._old, number)
        if at == len(self._old) and (not at or number > self._old[-1]):
            return number
        return self._new[at - 1] if at else min(number, 0)

    def _merged(self) -> Iterator[EventRow]:
        index = self._runs / "index.db"
        with contextlib.closing(_opened(index)) as connection:
            last = dict(connection.execute("SELECT run_id, max(id) FROM event_logs GROUP BY run_id"))
            own: dict[str, deque[EventRow]] = {}
            for row in _read(connection):
                run_id = row.values[0]
                if run_id not in own:
                    own[run_id] = deque(_of_run(self._runs / f"{run_id}.db"))
                yield from _before(own[run_id], row)
                yield row
                if last[run_id] == row.number:
                    yield from map(_alone, own.pop(run_id))
        for path in sorted(self._runs.glob("*.db")):
            if path != index and path.stem not in last:
                yield from map(_alone, _of_run(path))


def _before(own: deque[EventRow], row: EventRow) -> Iterator[EventRow]:
    """Yields what a run has said before an event of the index, and passes over that event itself."""
    at = next((at for at, one in enumerate(own) if one.is_indexed and _is_same(one, row)), -1)
    for _ in range(at):
        yield _alone(own.popleft())
    if at >= 0:
        own.popleft()


def _is_same(one: EventRow, other: EventRow) -> bool:
    if one.values[2:4] != other.values[2:4]:
        return False
    return one.values[1] == other.values[1] or json.loads(one.values[1]) == json.loads(other.values[1])


def _alone(row: EventRow) -> EventRow:
    """Returns an event that the index has forgotten, such as of an asset that was wiped: for its run only."""
    values = row.values
    return row if not row.is_indexed else row._replace(values=(*values[:5], None, *values[6:]))


def _of_run(path: Path) -> Iterator[EventRow]:
    if not path.is_file():
        return
    with contextlib.closing(_opened(path)) as connection:
        for row in _read(connection):
            yield row._replace(number=0)


def _read(connection: sqlite3.Connection) -> Iterator[EventRow]:
    there = {row[1] for row in connection.execute("PRAGMA table_info(event_logs)")}
    if not there:
        return
    names = ", ".join(name if name in there else f"NULL AS {name}" for name in COLUMNS)
    cursor = connection.execute(f"SELECT id, {names} FROM event_logs ORDER BY id")  # noqa: S608
    while page := cursor.fetchmany(PAGE):
        for number, *values in page:
            yield EventRow(tuple(values), number)


def _opened(path: Path) -> sqlite3.Connection:
    if Path(f"{path}-wal").exists():  # what was written last may be there only
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return sqlite3.connect(path, factory=ReadConnection)
