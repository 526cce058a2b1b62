"""Gives Dagster's SQLite storages databases that are whole at once and connections that are kept.

Dagster makes an engine and a connection for every query and for every event, so each statement is compiled
again and each close copies the write-ahead log back; and a new database one table at a time, stamped by
alembic. What a storage has to be derived from is private.

When Dagster changes, look at ``connect`` of ``SqliteRunStorage`` and ``SqliteScheduleStorage``; at
``_connect``, ``_initdb``, ``has_table`` and ``store_event`` of ``SqliteEventLogStorage``; at
``prepare_insert_event``, ``_event_to_row``, ``_store_asset_event``, ``_get_latest_materialization_records``,
``_has_asset_key_col_on_connection`` and ``has_secondary_index`` of ``SqlEventLogStorage``; and at
``__init__`` of ``DagsterSqliteStorage``.
"""

import contextlib
import functools
import itertools
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, TypeVar

import dagster as dg
import sqlalchemy
from dagster._core.storage.event_log.migration import ASSET_DATA_MIGRATIONS, EVENT_LOG_DATA_MIGRATIONS
from dagster._core.storage.event_log.schema import (
    AssetKeyTable,
    SqlEventLogStorageMetadata,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import INDEX_SHARD_NAME, SqliteEventLogStorage
from dagster._core.storage.runs.migration import OPTIONAL_DATA_MIGRATIONS, REQUIRED_DATA_MIGRATIONS
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.runs.sqlite.sqlite_run_storage import SqliteRunStorage
from dagster._core.storage.schedules.migration import (
    OPTIONAL_SCHEDULE_DATA_MIGRATIONS,
    REQUIRED_SCHEDULE_DATA_MIGRATIONS,
)
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage
from dagster._serdes import deserialize_value, serialize_value
from sqlalchemy.dialects import sqlite

from blut_resources.dagster_private import birth
from blut_resources.dagster_private.events import MIRRORED, OF_ASSETS
from blut_resources.dagster_private.pool import Engines, HastyConnection, WholeConnection, writable
from blut_resources.dagster_private.waiting import HeldEvents
from blut_resources.files import reserve
from blut_resources.files.full import is_full

RUN_PAGE_BYTES = 512
"""Of the database of a run, in which each table and index takes a page at least."""
RUN_TABLES = frozenset({"event_logs", "asset_event_tags"})
"""Those that Dagster uses in the database of a run; it makes all others there too, and leaves them empty.

Public API does not say so. Look for ``run_connection`` in ``SqliteEventLogStorage`` and
``SqlEventLogStorage``. Every migration asks first whether its table is there, since the databases of runs and
schedules share them."""
INSERT_EVENT = SqlEventLogStorageTable.insert()
PLANNED = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED


@functools.cache
def upsert_asset(columns: frozenset[str]) -> sqlalchemy.Executable:
    """Returns the statement that sets these columns of an asset, known or new."""
    insert = sqlite.insert(AssetKeyTable)
    changed = {name: insert.excluded[name] for name in sorted(columns)}
    return insert.on_conflict_do_update(index_elements=[AssetKeyTable.c.asset_key], set_=changed)


S = TypeVar("S", SqliteRunStorage, SqliteScheduleStorage)


class Content(NamedTuple):
    """Says what a database holds; ``wanted`` are tables without which Dagster has to migrate it."""

    tables: sqlalchemy.MetaData
    migrations: tuple[str, ...]
    wanted: tuple[str, ...]


RUNS = Content(
    RunStorageSqlMetadata, (*REQUIRED_DATA_MIGRATIONS, *OPTIONAL_DATA_MIGRATIONS), ("runs", "instance_info")
)
SCHEDULES = Content(
    ScheduleStorageSqlMetadata,
    (*REQUIRED_SCHEDULE_DATA_MIGRATIONS, *OPTIONAL_SCHEDULE_DATA_MIGRATIONS),
    ("job_ticks",),
)


def opened(kind: type[S], path: Path, content: Content) -> S:
    """Returns a storage as it is if its database is stamped or cannot be written, new if there is none, else
    migrated.
    """
    if path.exists() and not writable(path):
        ready: Any = True
    elif path.exists():
        ready = birth.revision_of(path) and all(birth.has_table(path, name) for name in content.wanted)
    else:
        head = birth.newest_revision()
        ready = head and birth.create(path, birth.statements_of(content.tables), head, content.migrations)
    if not ready:
        return kind.from_local(str(path.parent))
    return kind(create_db_conn_string(str(path.parent), path.stem))


@contextlib.contextmanager
def _end_written() -> Iterator[None]:
    """Let what comes after a write that finds no room, which is the end of a run, have the room kept back."""
    try:
        yield
    except Exception as error:
        if is_full(error):
            reserve.use()
        raise


class EventToStore(NamedTuple):
    """Holds an event and its row; ``mirrored`` says whether the database of all runs gets it."""

    event: dg.EventLogEntry
    row: dict[str, Any]
    mirrored: bool


class _Pooled:
    """Keeps its connection, where Dagster's own makes an engine for every query."""

    _conn_string: str

    @functools.cached_property
    def _engines(self) -> Engines:
        return Engines()

    @property
    def directory(self) -> Path:
        """Returns where its database is."""
        return Path(self._conn_string.removeprefix("sqlite:///")).parent

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        with _end_written(), self._engines.get(self._conn_string).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engines.dispose()


class PooledRuns(_Pooled, SqliteRunStorage):
    """Stores Dagster's runs."""


class PooledSchedules(_Pooled, SqliteScheduleStorage):
    """Stores Dagster's schedules and sensors."""


class PooledEventLog(SqliteEventLogStorage):
    """Stores Dagster's events, with the connections to the last few shards open."""

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines = Engines()
        self._there: set[tuple[str, str]] = set()
        self._waiting = HeldEvents(self._store)
        self._made: dict[dg.AssetKey, dg.EventLogRecord] | None = None
        super().__init__(base_dir, inst_data)

    @property
    def directory(self) -> Path:
        """Returns where its databases are, one for each run."""
        return Path(self._base_dir)

    def has_table(self, table_name: str) -> bool:
        """Says whether the index has a table: Dagster asks for each event with tags, by a new engine."""
        return self._has("table", table_name, lambda: super(PooledEventLog, self).has_table(table_name))

    def has_secondary_index(self, name: str) -> bool:
        """Says whether a summary was made: Dagster asks at each look for assets."""
        return self._has("summary", name, lambda: super(PooledEventLog, self).has_secondary_index(name))

    def _has_asset_key_col_on_connection(self, conn: sqlalchemy.Connection, column_name: str) -> bool:
        ask = super()._has_asset_key_col_on_connection
        return self._has("column", column_name, lambda: ask(conn, column_name))

    def _has(self, what: str, name: str, ask: Callable[[], bool]) -> bool:
        """Ask the database until it says yes: a migration adds such things, and none takes them away."""
        if (what, name) not in self._there and ask():
            self._there.add((what, name))
        return (what, name) in self._there

    def kept(self, entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
        """Returns an event as it is to be stored, or None if it is not."""
        return entry

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock, _end_written():
            # what reuse depends on is in the index, safe at once; the log of a run has ten times the events
            kind = WholeConnection if shard == INDEX_SHARD_NAME else HastyConnection
            path = self.path_for_shard(shard)
            engine = self._engines.get(self.conn_string_for_shard(shard), kind)
            if path not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(path)
            with engine.begin() as connection:
                driver: Any = connection.connection.driver_connection
                before = driver.total_changes
                yield connection
                changed = driver.total_changes != before
            # the UI watches this file, which the write-ahead log would leave untouched for long
            if changed:
                with contextlib.suppress(FileNotFoundError):
                    os.utime(path)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event, by statements that are the same every time: Dagster makes one for each event.

        What nobody waits for, which is what a step says on the way, and what is planned, may wait.
        """
        kept = self.kept(event)
        if kept is None:
            return
        told = event.dagster_event_type if event.is_dagster_event else None
        if told in MIRRORED and told not in OF_ASSETS:
            super().store_event(kept)
            return
        can_wait = told is PLANNED or told not in MIRRORED
        self._waiting.add(EventToStore(kept, self._event_to_row(kept), told in OF_ASSETS), can_wait=can_wait)

    @contextlib.contextmanager
    def together(self) -> Iterator[Mapping[dg.AssetKey, dg.EventLogRecord]]:
        """Let events that nobody waits for be written a few at a time inside the block.

        What it gets is, by asset, the newest materialization that was stored there.
        """
        self._made = {}
        try:
            with self._waiting.together():
                yield self._made
        finally:
            self._made = None

    def _store(self, waiting: list[EventToStore]) -> None:
        """Write events, and take them from the list."""
        while waiting:
            run_id, group = next(itertools.groupby(waiting, key=lambda one: one.event.run_id))
            some = list(group)
            with self._connect(run_id) as connection:
                connection.execute(INSERT_EVENT, [one.row for one in some])
            del waiting[: len(some)]
            if any(one.mirrored for one in some):
                with self._connect(INDEX_SHARD_NAME) as connection:
                    for one in some:
                        if one.mirrored:
                            self._store_in_index(connection, one)

    def _store_in_index(self, connection: sqlalchemy.Connection, one: EventToStore) -> None:
        result: Any = connection.execute(INSERT_EVENT, one.row)
        (number,) = result.inserted_primary_key
        self._store_asset_event_tags(connection, [one.event], [number])
        self._store_asset_event(connection, one.event, number)
        if self._made is not None and (made := one.event.asset_materialization):
            self._made[made.asset_key] = dg.EventLogRecord(number, one.event)

    def run_connection(self, run_id: str | None = None) -> Any:
        """Returns a connection to the database of a run, which has all of its events by then."""
        self._waiting.write()
        return super().run_connection(run_id)

    def index_connection(self) -> Any:
        """Returns a connection to the database of all runs, which has all of their events by then."""
        self._waiting.write()
        return super().index_connection()

    def _store_asset_event(self, conn: sqlalchemy.Connection, event: dg.EventLogEntry, event_id: int) -> None:
        """Note an event as the newest of its asset, where Dagster tries to insert each known one anew."""
        key = event.dagster_event.asset_key if event.dagster_event else None
        has_times = self._has_asset_key_index_cols_on_connection(conn)
        values = self._get_asset_entry_values(event, event_id, has_times) if key else {}
        if key and values:
            conn.execute(upsert_asset(frozenset(values)), {"asset_key": key.to_string(), **values})

    def _get_latest_materialization_records(
        self, raw_asset_rows: Sequence[Any]
    ) -> Mapping[dg.AssetKey, dg.EventLogRecord | None]:
        """Returns the newest materializations that are with their assets; Dagster also looks through all
        events for those that are not, even if there are none.
        """
        found = dict[dg.AssetKey, dg.EventLogRecord | None]()
        for row in raw_asset_rows:
            key, text = dg.AssetKey.from_db_string(row["asset_key"]), row["last_materialization"]
            record: Any = deserialize_value(text) if text and not row["asset_details"] else None
            if key is None or not isinstance(record, dg.EventLogRecord):
                return super()._get_latest_materialization_records(raw_asset_rows)
            found[key] = record
        return found

    def _event_to_row(self, event: dg.EventLogEntry) -> dict[str, Any]:
        told = event.dagster_event
        key = told.asset_key if told else None
        return {
            "run_id": event.run_id,
            "event": serialize_value(event, separators=(",", ":")),  # a tenth of it would be spaces
            "dagster_event_type": told.event_type_value if told else None,
            "timestamp": self._event_insert_timestamp(event),
            "step_key": told.step_key if told else event.step_key,
            "asset_key": key.to_string() if key else None,
            "partition": (told.partition or None) if told else None,
        }

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, and close the database that held them."""
        super().delete_events(run_id)
        self._engines.drop(self.conn_string_for_shard(run_id))
        self._initialized_dbs.discard(self.path_for_shard(run_id))

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:
        path = Path(engine.url.database or "")
        if not birth.revision_of(path) and not self._create(path):
            super()._initdb(engine, for_index_shard)

    def _create(self, path: Path) -> bool:
        head, index = birth.newest_revision(), Path(self.path_for_shard(INDEX_SHARD_NAME))
        if head is None or path.exists():
            return False
        if path != index and birth.revision_of(index) == head:  # read in a fifth of the time of compiling it
            return birth.create(path, birth.statements_in(index, RUN_TABLES), head, page_bytes=RUN_PAGE_BYTES)
        migrated = [*EVENT_LOG_DATA_MIGRATIONS, *ASSET_DATA_MIGRATIONS] if path == index else []
        size = {} if path == index else {"page_bytes": RUN_PAGE_BYTES}
        return birth.create(path, birth.statements_of(SqlEventLogStorageMetadata), head, migrated, **size)

    def wipe(self) -> None:
        """Delete every event."""
        self._there.clear()
        self._engines.dispose()
        super().wipe()

    def dispose(self) -> None:
        """Close the connections."""
        self._waiting.write()
        super().dispose()
        self._engines.dispose()


class PooledStorage(DagsterSqliteStorage):
    """Keeps the three of them below one directory, in the places where Dagster's own would be."""

    event_log: ClassVar[type[PooledEventLog]] = PooledEventLog

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.base_dir, self._inst_data = base_dir, inst_data
        history, schedules = Path(base_dir, "history"), Path(base_dir, "schedules")
        self._run_storage = opened(PooledRuns, history / "runs.db", RUNS)
        self._event_log_storage = self.event_log(str(history / "runs"))
        self._schedule_storage = opened(PooledSchedules, schedules / "schedules.db", SCHEDULES)
        super(DagsterSqliteStorage, self).__init__()
