"""Copies a SQLite history into an empty PostgreSQL database, in one transaction: all is there, or nothing.

Whoever is killed leaves nothing in the database, and the source is only read. Before the end, what was
written is read back and compared. Rows keep their numbers, but for events, of which `event_merge` tells. When
Dagster changes, look at its tables.
"""

import contextlib
import hashlib
import io
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from blut_resources.dagster_private import postgres_birth as birth
from blut_resources.dagster_private.event_merge import COLUMNS, Merged, Numbers
from blut_resources.dagster_private.instigators import SensorCursor, renumbered
from blut_resources.dagster_private.pool import ReadConnection
from blut_resources.database.connections import Connections
from blut_resources.database.troubles import DatabaseTrouble, told

PLACES = {0: "history/runs.db", 1: "history/runs/index.db", 2: "schedules/schedules.db"}
"""Of the tables of each of `postgres_birth.METADATA`."""
MIGRATED, EVENTS = "secondary_indexes", "event_logs"
BLOCK = 4 << 20
"""Bytes that are sent at once."""
ESCAPES = (("\0", ""), ("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
"""What stands for what in a row, in this order."""
MARK = "blut/copied"
Change = Callable[[Any, Mapping[str, Any]], Any]
"""What becomes of a value of a row."""


def copy(
    home: Path,
    pool: Connections,
    mark: str,
    unchanged: Callable[[], None],
    translated: Callable[[SensorCursor, Callable[[int], int]], str | None] | None,
) -> dict[str, int]:
    """Copy the history of a home; returns the rows of each table.

    Args:
        home: the instance directory.
        pool: the database.
        mark: kept in it, to know the copy again.
        unchanged: called before the end; refuses where the source has changed meanwhile.
        translated: gives the cursor of a sensor by what events are numbered now. Without, the events that a
            cursor can name keep their numbers.

    Raises:
        DatabaseTrouble: the database is not empty, does not answer, or has other rows than the source in the
            end.
    """
    birth.usable(pool)
    try:
        with pool.whole() as connection:
            birth.turn(connection)
            _make_room(pool, connection)
            merged = Merged(home / "history" / "runs", anew=translated is not None)
            changes = dict(_CHANGES)
            if translated is not None:
                changes |= _of_numbers(merged.now, lambda cursor: translated(cursor, merged.now))
            counts = _fill(home, connection, merged, changes)
            connection.execute(
                sqlalchemy.text("INSERT INTO kvs (key, value) VALUES (:key, :value)"),
                {"key": MARK, "value": mark},
            )
            _compare_events(pool, connection, merged)
            unchanged()
    except DBAPIError as error:
        raise told(pool.address, error) from error
    return counts


def mark_of(pool: Connections) -> str:
    """Returns the mark of what was copied into a database; empty without one."""
    with pool.plain() as connection:
        if birth.look(connection).is_empty:
            return ""
        query = sqlalchemy.text("SELECT value FROM kvs WHERE key = :key")
        return connection.execute(query, {"key": MARK}).scalar() or ""


def _make_room(pool: Connections, connection: sqlalchemy.Connection) -> None:
    if birth.look(connection).is_empty:
        birth.create(connection, ())
        return
    for table in ("runs", EVENTS, "instigators", "jobs", "asset_keys"):
        if connection.execute(sqlalchemy.text(f"SELECT 1 FROM {table} LIMIT 1")).scalar():  # noqa: S608
            raise DatabaseTrouble(
                f"{pool.address.words} has a history already ({table}): name an empty database"
            )
    for table in _tables():
        connection.execute(table.delete())


def _tables() -> Iterator[sqlalchemy.Table]:
    for metadata in birth.METADATA:
        yield from metadata.sorted_tables


def _fill(
    home: Path, connection: sqlalchemy.Connection, merged: Merged, changes: Mapping[tuple[str, str], Change]
) -> dict[str, int]:
    cursor = connection.connection.cursor()
    names = ("id", *COLUMNS)
    counts = {EVENTS: _send(cursor, EVENTS, names, merged.rows())}
    migrated: list[set[str]] = []
    for place, metadata in enumerate(birth.METADATA):
        path = home / PLACES[place]
        if not path.is_file():
            continue
        with contextlib.closing(sqlite3.connect(path, factory=ReadConnection)) as source:
            migrated.append(_migrations(source))
            for table in metadata.sorted_tables:
                if table.name not in (MIGRATED, EVENTS):
                    counts[table.name] = _copy_table(source, cursor, table, changes)
    _mark_migrations(connection, set.union(*migrated))
    for table in _tables():
        sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
        last = f"SELECT setval({sequence}, greatest(max(id), 1)) FROM {table.name}"  # noqa: S608
        connection.execute(sqlalchemy.text(last))
    return counts


def _copy_table(
    source: sqlite3.Connection,
    cursor: Any,
    table: sqlalchemy.Table,
    changes: Mapping[tuple[str, str], Change],
) -> int:
    there = [row[1] for row in source.execute(f"PRAGMA table_info({table.name})")]
    names = [column.name for column in table.columns if column.name in there]
    if not names:
        return 0
    listed = ", ".join(f'"{name}"' for name in names)
    changed = {
        at: changes[table.name, name] for at, name in enumerate(names) if (table.name, name) in changes
    }
    booleans = [at for at, name in enumerate(names) if isinstance(table.c[name].type, sqlalchemy.Boolean)]
    sent = _Digest([isinstance(table.c[name].type, _EXACT) for name in names])

    def rows() -> Iterator[tuple[Any, ...]]:
        for row in source.execute(f'SELECT {listed} FROM "{table.name}" ORDER BY id'):  # noqa: S608
            values = list(row)
            for at, change in changed.items():
                if row[at] is not None:
                    values[at] = change(row[at], dict(zip(names, row, strict=True)))
            for at in booleans:
                values[at] = None if values[at] is None else bool(values[at])
            sent.add(values)
            yield tuple(values)

    count = _send(cursor, table.name, names, rows())
    stored = _Digest(sent.exact)
    cursor.execute(f'SELECT {listed} FROM "{table.name}" ORDER BY id')  # noqa: S608
    while page := cursor.fetchmany(2000):
        for row in page:
            stored.add(row)
    if stored.text != sent.text:
        raise DatabaseTrouble(f"table {table.name} has other rows than the source; nothing was kept")
    return count


_EXACT = (sqlalchemy.Text, sqlalchemy.String, sqlalchemy.Integer, sqlalchemy.LargeBinary)
"""What both databases give back as it was; times and fractions are written in other ways."""


_CHANGES: Mapping[tuple[str, str], Change] = {
    ("run_tags", "value"): lambda value, _: birth.findable(value),
    ("asset_keys", "cached_status_data"): lambda value, _: None,  # made anew when it is asked for
}
"""What becomes of columns that are not copied as they are."""


def _of_numbers(
    now: Numbers, translated: Callable[[SensorCursor], str | None]
) -> dict[tuple[str, str], Change]:
    """Returns what becomes of columns that name events by their numbers, where these are new."""
    number: Change = lambda value, _: now(value)  # noqa: E731
    event: Change = lambda value, _: now.in_text(value)  # noqa: E731
    sensor: Change = lambda value, _: renumbered(value, translated)  # noqa: E731
    return {
        ("asset_event_tags", "event_id"): number,
        ("asset_event_tags", "value"): lambda value, row: now.in_tag(row["key"], value),
        ("asset_check_executions", "evaluation_event_storage_id"): number,
        ("asset_check_executions", "materialization_event_storage_id"): number,
        ("asset_check_executions", "evaluation_event"): event,
        ("asset_keys", "last_materialization"): event,
        ("jobs", "job_body"): sensor,
        ("instigators", "instigator_body"): sensor,
    }


class _Digest:
    """Digests rows, by the columns that both databases give back alike."""

    def __init__(self, exact: list[bool]) -> None:
        self.exact, self._hash = exact, hashlib.blake2b()

    def add(self, row: Iterable[Any]) -> None:
        """Add a row."""
        for value, counts in zip(row, self.exact, strict=True):
            if counts:
                plain = bytes(value) if isinstance(value, memoryview | bytes) else str(value).encode()
                self._hash.update(len(plain).to_bytes(8, "big") + plain)

    @property
    def text(self) -> str:
        """Returns the digest."""
        return self._hash.hexdigest()


def _migrations(source: sqlite3.Connection) -> set[str]:
    query = f"SELECT name FROM {MIGRATED} WHERE migration_completed IS NOT NULL"  # noqa: S608
    return {row[0] for row in source.execute(query)}


def _mark_migrations(connection: sqlalchemy.Connection, names: set[str]) -> None:
    birth.mark(connection, sorted(names))


def _send(cursor: Any, table: str, names: Iterable[str], rows: Iterable[tuple[Any, ...]]) -> int:
    """Write rows as PostgreSQL takes many of them, block by block; returns how many."""
    columns = ", ".join(f'"{name}"' for name in names)
    command, count, block = f'COPY "{table}" ({columns}) FROM STDIN', 0, io.StringIO()
    for row in rows:
        count += 1
        block.write("\t".join(map(_plain, row)) + "\n")
        if block.tell() > BLOCK:
            block.seek(0)
            cursor.copy_expert(command, block)
            block = io.StringIO()
    block.seek(0)
    cursor.copy_expert(command, block)
    return count


def _plain(value: Any) -> str:
    if value is None:
        return "\\N"
    if isinstance(value, bytes):
        return "\\\\x" + value.hex()
    if not isinstance(value, str):
        return str(value)
    for one, instead in ESCAPES:
        if one in value:  # of a long text far faster than a table of all of them
            value = value.replace(one, instead)
    return value


def _compare_events(pool: Connections, connection: sqlalchemy.Connection, merged: Merged) -> None:
    joined = "md5(string_agg(event, '' ORDER BY id))"
    query = f"SELECT run_id, id > 0, {joined} FROM {EVENTS} GROUP BY run_id, id > 0"  # noqa: S608
    stored = {
        (run_id, indexed): digest for run_id, indexed, digest in connection.execute(sqlalchemy.text(query))
    }
    if stored != merged.digests:
        raise DatabaseTrouble(f"{pool.address.words} has other events than the source; nothing was kept")
