"""Defines Dagster's SQLite storage, created under a lock; named in ``dagster.yaml``.

Apart, for its slow import.
"""

import contextlib
import functools
import os
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import dagster as dg
import sqlalchemy
from dagster._core.events import (
    ASSET_CHECK_EVENTS,
    ASSET_EVENTS,
    EVENT_TYPE_TO_PIPELINE_RUN_STATUS,
    RunFailureReason,
)
from dagster._core.remote_origin import ManagedGrpcPythonEnvCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.storage.event_log.migration import ASSET_DATA_MIGRATIONS, EVENT_LOG_DATA_MIGRATIONS
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata, SqlEventLogStorageTable
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
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin

from blut_resources.alive import complete_manifest, hold_in, let_go, note_made
from blut_resources.files.durable import file_lock
from blut_resources.files.modes import prepare_home
from blut_resources.instance import birth
from blut_resources.instance import damage as history_damage
from blut_resources.instance.pool import Engines, HastyConnection, Settled
from blut_resources.runs import manifest
from blut_resources.runs.removal import remove_files
from blut_resources.store.results import SPEC

ENDS = (
    *(dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE),
    dg.DagsterEventType.RUN_CANCELED,
)

RUN_PAGE_BYTES = 512
"""Of the database of a run, in which each of 25 tables and indexes, most of them empty, takes a page."""
MIRRORED = {*ASSET_EVENTS, *ASSET_CHECK_EVENTS, *EVENT_TYPE_TO_PIPELINE_RUN_STATUS}
"""Events that other databases are told of too."""
INSERT_EVENT = SqlEventLogStorageTable.insert()

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


class LockedSqliteStorage(DagsterSqliteStorage):
    """Keeps Dagster's SQLite storage, created under a file lock.

    Dagster migrates a new database without one: eight first commands at once fail, and can leave a
    schedule database with two alembic heads that no later command opens.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.base_dir, self._inst_data = base_dir, inst_data
        history, schedules = Path(base_dir, "history"), Path(base_dir, "schedules")
        self._run_storage = _opened(PooledRuns, history / "runs.db", RUNS)
        self._event_log_storage = PooledEventLog(str(history / "runs"))
        self._schedule_storage = _opened(PooledSchedules, schedules / "schedules.db", SCHEDULES)
        super(DagsterSqliteStorage, self).__init__()

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LockedSqliteStorage":
        base = Path(config_value["base_dir"])
        prepare_home(base)
        with file_lock(base / ".instance.lock"), history_damage.told(base):
            for name in history_damage.MAIN:
                history_damage.refuse_emptied(base / name)
            return cls(str(base), inst_data)


def _opened(kind: type[S], path: Path, content: "Content") -> S:
    """Returns a storage as it is if its database is stamped, new if there is none,
    else migrated by Dagster.
    """
    if path.exists():
        ready = birth.revision_of(path) and all(birth.has_table(path, name) for name in content.wanted)
    else:
        head = birth.newest_revision()
        ready = head and birth.create(path, birth.statements_of(content.tables), head, content.migrations)
    if not ready:
        return kind.from_local(str(path.parent))
    return kind(create_db_conn_string(str(path.parent), path.stem))


class _Pooled:
    """Keeps its connection, where Dagster's own makes an engine for every query."""

    _conn_string: str

    @functools.cached_property
    def _engines(self) -> Engines:
        return Engines()

    @contextlib.contextmanager
    def connect(self) -> Iterator[sqlalchemy.Connection]:
        with self._engines.get(self._conn_string).begin() as connection:
            yield connection

    def dispose(self) -> None:
        """Close the connections."""
        self._engines.dispose()


class PooledRuns(_Pooled, SqliteRunStorage):
    """Stores the runs, each of which is held by its process for as long as it is shown as started."""

    def add_run(self, dagster_run: dg.DagsterRun) -> dg.DagsterRun:
        """Keep a new run.

        One of a terminal that names its repository gets the origin that the UI's own runs have: without one,
        neither the timeline nor the page of its job shows it.
        """
        label = dagster_run.tags.get(REPOSITORY_LABEL_TAG)
        if label and dagster_run.remote_job_origin is None:
            repository, _, location = label.partition("@")
            code = ManagedGrpcPythonEnvCodeLocationOrigin(LoadableTargetOrigin(), location)
            origin = RemoteRepositoryOrigin(code, repository).get_job_origin(dagster_run.job_name)
            dagster_run = dagster_run.with_job_origin(origin)
        if dagster_run.status is dg.DagsterRunStatus.NOT_STARTED:
            note_made(self._home, dagster_run.run_id)
        return super().add_run(dagster_run)

    @property
    def _home(self) -> Path:
        return Path(self._conn_string.removeprefix("sqlite:///")).parents[1]

    def delete_run(self, run_id: str) -> None:
        """Delete a run and its files; those of one that works go when it has ended."""
        super().delete_run(run_id)
        remove_files(self._home, run_id)

    def wipe(self) -> None:
        """Delete every run and its files."""
        known = [run.run_id for run in self.get_runs()]
        super().wipe()
        for run_id in known:
            remove_files(self._home, run_id)

    def handle_run_event(
        self, run_id: str, event: dg.DagsterEvent, update_timestamp: datetime | None = None
    ) -> None:
        """Take down what an event, which the process of the run reports, says about its state."""
        home = self._home
        if event.event_type is dg.DagsterEventType.RUN_START:
            hold_in(home, run_id)
            for run in self.get_runs(dg.RunsFilter([run_id])):
                manifest.begin(home, run)
        super().handle_run_event(run_id, event, update_timestamp)
        if event.event_type in ENDS:
            ended = self.get_runs(dg.RunsFilter([run_id]))
            for run in ended:
                complete_manifest(home, run, interrupted=_is_interruption(event))
            let_go(run_id)
            if not ended:  # it was deleted while it worked
                remove_files(home, run_id)


def _is_interruption(event: dg.DagsterEvent) -> bool:
    """Says whether a run ended by Ctrl-C while Dagster had an event in hand: its step cannot tell then."""
    reason = getattr(event.event_specific_data, "failure_reason", None)
    return reason is RunFailureReason.UNEXPECTED_TERMINATION


class PooledSchedules(_Pooled, SqliteScheduleStorage):
    """Stores schedules and sensors."""


def _without_copy(entry: dg.EventLogEntry) -> dg.EventLogEntry:
    """Returns an event as it is kept:
    the output of a stage asset without the metadata of its materialization.

    The one directly follows the other, and a picture among them weighs more than all other events of a run.
    """
    event = entry.dagster_event
    if event is None or event.event_type is not dg.DagsterEventType.STEP_OUTPUT:
        return entry
    output = event.step_output_data
    if SPEC not in output.metadata:
        return entry
    return entry._replace(dagster_event=event._replace(event_specific_data=output._replace(metadata={})))


class PooledEventLog(SqliteEventLogStorage):
    """Keeps the connections to the last few shards open.

    Dagster's own makes an engine and a connection for every event, so each statement is compiled again and
    each close copies the write-ahead log back.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines, self._settled = Engines(), Settled()
        super().__init__(base_dir, inst_data)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            # what reuse depends on is in the index, safe at once; the log of a run has ten times the events
            kind = sqlite3.Connection if shard == INDEX_SHARD_NAME else HastyConnection
            engine = self._engines.get(self.conn_string_for_shard(shard), kind)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.begin() as connection:
                yield connection
            # the UI watches this file, which the write-ahead log would leave untouched for long
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path_for_shard(shard))

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event; most concern a run only, and their statement is the same every time."""
        if event.is_dagster_event and event.dagster_event_type in MIRRORED:
            super().store_event(event)
            return
        with self.run_connection(event.run_id) as connection:
            connection.execute(INSERT_EVENT, self._event_to_row(_without_copy(event)))

    def delete_events(self, run_id: str) -> None:
        """Delete the events of a run, and the database that held them."""
        super().delete_events(run_id)
        self._engines.drop(self.conn_string_for_shard(run_id))
        self._initialized_dbs.discard(run_id)
        remove_files(Path(self._base_dir).parents[1], run_id)

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:
        path = Path(engine.url.database or "")
        if not birth.revision_of(path) and not self._create(path):
            super()._initdb(engine, for_index_shard)

    def _create(self, path: Path) -> bool:
        head, index = birth.newest_revision(), Path(self.path_for_shard(INDEX_SHARD_NAME))
        if head is None or path.exists():
            return False
        if path != index and birth.revision_of(index) == head:  # read in a fifth of the time of compiling it
            return birth.create(path, birth.statements_in(index), head, page_bytes=RUN_PAGE_BYTES)
        migrated = [*EVENT_LOG_DATA_MIGRATIONS, *ASSET_DATA_MIGRATIONS] if path == index else []
        size = {} if path == index else {"page_bytes": RUN_PAGE_BYTES}
        return birth.create(path, birth.statements_of(SqlEventLogStorageMetadata), head, migrated, **size)

    def has_secondary_index(self, name: str) -> bool:
        ask = super().has_secondary_index
        return self._settled.ask(("index", name), lambda: ask(name))

    def has_asset_key_col(self, column_name: str) -> bool:
        ask = super().has_asset_key_col
        return self._settled.ask(("column", column_name), lambda: ask(column_name))

    def _has_asset_key_col_on_connection(self, conn: sqlalchemy.Connection, column_name: str) -> bool:
        ask = super()._has_asset_key_col_on_connection
        return self._settled.ask(("column", column_name), lambda: ask(conn, column_name))

    def wipe(self) -> None:
        """Delete every event."""
        self._settled.forget()
        self._engines.dispose()
        super().wipe()

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()
        self._engines.dispose()
