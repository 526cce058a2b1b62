"""Brings the events of a SQLite history into one table: those of all runs, and those that are kept twice.

Dagster keeps the events of each run in a database of their own, numbered from 1, and those of assets, checks
and states of runs once more in an index, numbered apart. Who remembers the number of an event, such as the
cursor of a sensor, a check or the record of an asset, has that of the index. A log is shown in the order of
numbers, and those of the index leave no room for what a run said in between: either all events are numbered
anew, in their order, and what names one by its number is changed with them, or those of the index keep theirs
and the others get numbers below zero, so that nobody who asks for what is newer than a number finds them.
Look at ``store_event`` of ``SqliteEventLogStorage``.
"""

import bisect
import contextlib
import hashlib
import itertools
import json
import os
import sqlite3
from array import array
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from blut_resources.dagster_private.events import MIRRORED
from blut_resources.dagster_private.names import INPUT_EVENT_TAG
from blut_resources.dagster_private.pool import ReadConnection

COLUMNS = ("run_id", "event", "dagster_event_type", "timestamp", "step_key", "asset_key", "partition")
INDEXED = frozenset(kind.value for kind in MIRRORED)
PAGE = 2000
LOWEST = -(1 << 40)
"""Number of the first event that the index does not have: far more are below zero than a history has."""
NUMBERED = {"AssetCheckEvaluationTargetMaterializationData", "EventLogRecord"}
"""What has the number of another event as its ``storage_id``."""


class EventRow(NamedTuple):
    """Holds an event, and its number where it was read."""

    number: int
    values: tuple[Any, ...]

    @property
    def is_indexed(self) -> bool:
        """Says whether the index is told of such events too."""
        return self.values[2] in INDEXED


class Numbers:
    """Gives events that had a number in the index the one that they have from now on.

    Without any, numbers stay as they are.
    """

    def __init__(self) -> None:
        self._before, self._now = array("q"), array("q")

    def add(self, before: int, now: int) -> None:
        """Take one in; they come in their order."""
        self._before.append(before)
        self._now.append(now)

    def __call__(self, before: int) -> int:
        """Returns the number of an event; of one that is no more, that of the last one before it."""
        at = bisect.bisect_right(self._before, before)
        return self._now[at - 1] if at else min(before, 0)

    def in_text(self, text: str) -> str:
        """Returns an event, or a record of one, that names others by their numbers of now."""
        if INPUT_EVENT_TAG not in text and not any(name in text for name in NUMBERED):
            return text
        return json.dumps(self._in(json.loads(text)))

    def in_tag(self, tag: str, value: str) -> str:
        """Returns the value of a tag, which may name the event of an input."""
        return str(self(int(value))) if tag.startswith(INPUT_EVENT_TAG) and value.isdigit() else value

    def _in(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._in(one) for one in value]
        if isinstance(value, str | int | float) or value is None:
            return value
        if value.get("__class__") in NUMBERED:
            value = {**value, "storage_id": self(value["storage_id"])}
        return {
            name: self.in_tag(name, one) if isinstance(one, str) else self._in(one)
            for name, one in value.items()
        }


class Merged:
    """Gives the events of a history with the numbers that they have from now on.

    Args:
        runs: the directory with the index and a database for each run.
        anew: numbers all of them from 1; else those of the index keep theirs.
    """

    def __init__(self, runs: Path, *, anew: bool) -> None:
        self._runs, self._index, self._anew = runs, runs / "index.db", anew
        self.now = Numbers()
        self.digests: dict[tuple[str, bool], str] = {}
        """Of the texts of events in the order of their numbers: by run, and whether that is above zero."""

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Yields each event as a row, with its number first."""
        hashes: dict[tuple[str, bool], Any] = {}
        for number, (run_id, event, *others) in self._numbered():
            key = (run_id, number > 0)
            if key not in hashes:
                hashes[key] = hashlib.md5(usedforsecurity=False)
            hashes[key].update(event.encode())
            yield (number, run_id, event, *others)
        self.digests = {key: one.hexdigest() for key, one in hashes.items()}

    def _numbered(self) -> Iterator[tuple[int, tuple[Any, ...]]]:
        if not self._anew:
            others = itertools.count(LOWEST)
            for before, values in self._merged():
                yield (next(others) if before is None else before), values
            return
        for number, (before, (run_id, event, *others)) in enumerate(self._merged(), 1):
            if before is not None:
                self.now.add(before, number)
            yield number, (run_id, self.now.in_text(event), *others)

    def _merged(self) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
        """Yields each event once, after all that its run said before, with its number in the index."""
        with contextlib.closing(_opened(self._index)) as index:
            last = dict(index.execute("SELECT run_id, max(id) FROM event_logs GROUP BY run_id"))
            logs: dict[str, _Log] = {}
            for number, run_id in index.execute("SELECT id, run_id FROM event_logs ORDER BY id"):
                if run_id not in logs:
                    logs[run_id] = _Log(self._runs, run_id, index)
                yield from logs[run_id].until(number)
                if number == last[run_id]:
                    yield from logs.pop(run_id).rest
            for path in sorted(self._runs.glob("*.db")):
                if path != self._index and path.stem not in last:
                    yield from _Log(self._runs, path.stem, index).rest


class _Log:
    """Holds the events of a run, in memory, until they were given.

    Attributes:
        rest: what was not given yet, in its order; with the numbers of those that the index has too.
    """

    def __init__(self, runs: Path, run_id: str, index: sqlite3.Connection) -> None:
        twice, path = list(_read(index, run_id)), runs / f"{run_id}.db"
        self._indexed = {row.number: row.values for row in twice}
        self.rest: deque[tuple[int | None, tuple[Any, ...]]] = deque()
        if path.is_file():
            with contextlib.closing(_opened(path)) as connection:
                for row in _read(connection):
                    number = _same(row, twice)
                    self.rest.append((number, row.values if number is not None else _alone(row)))

    def until(self, number: int) -> Iterator[tuple[int | None, tuple[Any, ...]]]:
        """Yields an event of the index, and before it what comes before."""
        while self.rest and self.rest[0][0] is None:
            yield self.rest.popleft()
        for at, (one, _) in enumerate(self.rest):  # the first one, but for what two processes wrote at once
            if one == number:
                del self.rest[at]
                break
        yield number, self._indexed[number]


def _same(row: EventRow, twice: list[EventRow]) -> int | None:
    """Returns the number of the same event in the index, if that has it, and takes it out of the given."""
    if row.is_indexed:
        for at, one in enumerate(twice):
            if _is_same(row, one):
                return twice.pop(at).number
    return None


def _is_same(one: EventRow, other: EventRow) -> bool:
    if one.values[2:4] != other.values[2:4]:
        return False
    return one.values[1] == other.values[1] or json.loads(one.values[1]) == json.loads(other.values[1])


def _alone(row: EventRow) -> tuple[Any, ...]:
    """Returns an event that the index has forgotten, such as of an asset that was wiped: for its run only."""
    values = row.values
    return values if not row.is_indexed else (*values[:5], None, *values[6:])


def _read(connection: sqlite3.Connection, run_id: str | None = None) -> Iterator[EventRow]:
    """Yields the events of a database in their order; of one run, or all."""
    which, values = ("WHERE run_id = ?", [run_id]) if run_id is not None else ("", [])
    query = f"SELECT id, %s FROM event_logs {which} ORDER BY id"  # noqa: S608
    try:
        cursor = connection.execute(query % ", ".join(COLUMNS), values)
    except sqlite3.OperationalError:  # of an older Dagster, or nothing was ever written
        there = {row[1] for row in connection.execute("PRAGMA table_info(event_logs)")}
        if not there:
            return
        names = ", ".join(name if name in there else f"NULL AS {name}" for name in COLUMNS)
        cursor = connection.execute(query % names, values)
    while page := cursor.fetchmany(PAGE):
        for number, *row in page:
            yield EventRow(number, tuple(row))


def _opened(path: Path) -> sqlite3.Connection:
    if os.path.exists(f"{path}-wal"):  # noqa: PTH110 - one for each run; what was written last may be there only
        return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    return sqlite3.connect(path, factory=ReadConnection)
