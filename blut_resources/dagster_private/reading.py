"""Gives a process that only reads Dagster's SQLite storages as they are: it makes and changes none of them.

What is not there yet is empty, in a temporary directory that goes with the storage. An event that is stored
all the same, such as the end of a run whose process died, makes the database of its run.

When Dagster changes, look at ``path_for_shard``, ``conn_string_for_shard``, ``_initdb``, ``store_event`` of
``SqliteEventLogStorage``, and at ``__init__`` of ``DagsterSqliteStorage``.
"""

import tempfile
from pathlib import Path
from typing import Any, ClassVar

import dagster as dg
import sqlalchemy
from dagster._core.storage.sqlite import create_db_conn_string
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from blut_resources.dagster_private.storage import (
    RUNS,
    SCHEDULES,
    PooledEventLog,
    PooledRuns,
    PooledSchedules,
    opened,
)


class ReadEventLog(PooledEventLog):
    """Reads Dagster's events; a run that has no database has none."""

    def __init__(self, base_dir: str, spare: "tempfile.TemporaryDirectory[str]") -> None:
        self._spare, self._stores = spare, False
        there = Path(base_dir).is_dir()
        super().__init__(base_dir if there else spare.name)

    def path_for_shard(self, run_id: str) -> str:
        """Return where the events of a run are; without any, where there are none."""
        path = super().path_for_shard(run_id)
        there = self._stores or Path(path).exists()
        return path if there else str(Path(self._spare.name, f"{run_id}.db"))

    def conn_string_for_shard(self, shard_name: str) -> str:
        """Return the address of that."""
        path = Path(self.path_for_shard(shard_name))
        return create_db_conn_string(str(path.parent), path.stem)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event."""
        self._stores = True
        try:
            super().store_event(event)
        finally:
            self._stores = False

    def _initdb(self, engine: sqlalchemy.Engine, for_index_shard: bool = False) -> None:
        if not Path(engine.url.database or "").exists():
            super()._initdb(engine, for_index_shard)

    def dispose(self) -> None:
        """Close the connections, and forget what was empty."""
        super().dispose()
        self._spare.cleanup()


class ReadStorage(DagsterSqliteStorage):
    """Reads the three of them below one directory."""

    event_log: ClassVar[type[ReadEventLog]] = ReadEventLog

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self.base_dir, self._inst_data = base_dir, inst_data
        history, schedules = Path(base_dir, "history"), Path(base_dir, "schedules")
        spare: tempfile.TemporaryDirectory[str] = tempfile.TemporaryDirectory(prefix="blut-empty-")
        empty = Path(spare.name)
        self._run_storage = opened(PooledRuns, _existing(history / "runs.db", empty), RUNS)
        self._event_log_storage = self.event_log(str(history / "runs"), spare)
        self._schedule_storage = opened(
            PooledSchedules, _existing(schedules / "schedules.db", empty), SCHEDULES
        )
        super(DagsterSqliteStorage, self).__init__()


def _existing(path: Path, empty: Path) -> Path:
    return path if path.exists() else empty / path.name
