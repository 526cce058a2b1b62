"""Dagster's SQLite storage, created under a lock; named in ``dagster.yaml``. Apart, for its slow import."""

import contextlib
import os
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import DagsterSqliteStorage

from blut_resources.store import file_lock

KEPT_SHARDS = 8


class LockedSqliteStorage(DagsterSqliteStorage):
    """Dagster's SQLite storage, created under a file lock.

    Dagster migrates a new database without one: eight first commands at once fail, and can leave a
    schedule database with two alembic heads that no later command opens.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = PooledEventLog(self._event_log_storage._base_dir)

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "LockedSqliteStorage":
        base = Path(config_value["base_dir"])
        with file_lock(base / ".instance.lock"):
            return cls(str(base), inst_data)


class PooledEventLog(SqliteEventLogStorage):
    """Keeps the connections to the last few shards open.

    Dagster's own makes an engine and a connection for every event, so each statement is compiled again and
    each close copies the write-ahead log back.
    """

    def __init__(self, base_dir: str, inst_data: Any = None) -> None:
        self._engines: OrderedDict[str, tuple[int, sqlalchemy.Engine]] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextlib.contextmanager
    def _connect(self, shard: str) -> Iterator[sqlalchemy.Connection]:
        with self._db_lock:
            engine = self._engine(shard)
            if shard not in self._initialized_dbs:
                self._initdb(engine)
                self._initialized_dbs.add(shard)
            with engine.connect() as connection, connection.begin():
                yield connection
            # the UI watches this file, which the write-ahead log would leave untouched for long
            with contextlib.suppress(FileNotFoundError):
                os.utime(self.path_for_shard(shard))

    def _engine(self, shard: str) -> sqlalchemy.Engine:
        owner, engine = self._engines.pop(shard, (0, None))
        if engine is None or owner != os.getpid():  # a connection must not be used across a fork
            engine = sqlalchemy.create_engine(
                self.conn_string_for_shard(shard),
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
        self._engines[shard] = os.getpid(), engine
        while len(self._engines) > KEPT_SHARDS:
            self._engines.popitem(last=False)[1][1].dispose()
        return engine

    def wipe(self) -> None:
        """Delete every event."""
        self._close()
        super().wipe()

    def dispose(self) -> None:
        """Close the connections."""
        super().dispose()
        self._close()

    def _close(self) -> None:
        while self._engines:
            self._engines.popitem()[1][1].dispose()
