"""Gives Dagster's PostgreSQL storages connections that are kept, and an event that is stored as a whole.

Dagster makes a connection for every statement, looks for its tables each time a storage is opened, and
stores an event of an asset in three steps, of which a kill can leave the first. What a storage has to be
derived from is private.

When Dagster changes, look at ``__init__``, ``connect``, ``_connect``, ``index_transaction``, ``has_table``
and ``optimize_for_webserver`` of the storages of ``dagster_postgres``; at ``store_event`` of
``PostgresEventLogStorage``; and at ``from_config_value`` of ``DagsterPostgresStorage``.
"""

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, ClassVar

import dagster as dg
import sqlalchemy
from dagster._core.events import ASSET_CHECK_EVENTS, ASSET_EVENTS
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.event_log import PostgresEventLogStorage
from dagster_postgres.run_storage import PostgresRunStorage
from dagster_postgres.schedule_storage import PostgresScheduleStorage
from dagster_postgres.utils import pg_url_from_config

from blut_resources.dagster_private import postgres_birth as birth
from blut_resources.dagster_private.events import MIRRORED
from blut_resources.database import connections
from blut_resources.database.address import Address, read
from blut_resources.database.connections import Connections
from blut_resources.database.patience import is_given_up
from blut_resources.database.troubles import DatabaseAway

EVENTS = SqlEventLogStorageTable
HASTY = sqlalchemy.func.set_config("synchronous_commit", "off", True)
"""Has the end of its transaction not wait for the disk: the last second of a power cut may be missing."""
AGAIN = ("get_", "has_", "handle_", "update_", "set_", "add_run_tags", "add_daemon_heartbeat", "fetch_")
"""How the names of methods begin that do the same when called twice."""

THERE = (
    *("has_run_stats_index_cols", "has_bulk_actions_selector_cols", "has_backfill_id_column"),
    *("has_bulk_action_job_name_column", "has_backfill_tags_table", "has_asset_key_col"),
    *("_has_asset_key_col_on_connection", "has_instigators_table", "_has_instigators_table"),
    *("_has_asset_daemon_asset_evaluations_table", "has_secondary_index_table"),
)
"""Questions for columns and tables, which take longer than what they are asked for. A database that has the
newest revision has all of them."""


class _Pooled:
    """Takes its connections from those of the process."""

    def _use(self, pool: Connections) -> None:
        self._pool = pool
        self._tables: set[str] = set()
        for name in dir(type(self)):
            if name in THERE:
                setattr(self, name, lambda *_: True)
            elif name.startswith(AGAIN) and callable(method := getattr(self, name)):
                setattr(self, name, pool.again(method))

    def connect(self, run_id: str | None = None) -> AbstractContextManager[sqlalchemy.Connection]:
        return self._pool.plain()

    def has_table(self, table_name: str) -> bool:
        """Say whether there is a table; one that there was once is not looked for again."""
        if table_name not in self._tables:
            with self._pool.plain() as connection:
                if not sqlalchemy.inspect(connection).has_table(table_name):
                    return False
            self._tables.add(table_name)
        return True

    def optimize_for_webserver(self, statement_timeout: int, pool_recycle: int, max_overflow: int) -> None:
        """Change nothing: the connections are kept anyway."""

    def dispose(self) -> None:
        """Close the connections."""
        self._pool.close()


class PostgresRuns(_Pooled, PostgresRunStorage):
    """Stores Dagster's runs."""

    def __init__(self, pool: Connections) -> None:
        self._inst_data, self.postgres_url, self.should_autocreate_tables = None, pool.address.url, False
        self._index_migration_cache, self._engine = {}, pool.engine
        super(PostgresRunStorage, self).__init__()
        self._use(pool)

    def _core_add_run(self, col_values: dict[str, Any], tags: Mapping[str, str]) -> None:
        """Store a run; the table by which tags are looked for has the beginnings of long ones."""
        super()._core_add_run(col_values, {name: birth.findable(value) for name, value in tags.items()})


class PostgresSchedules(_Pooled, PostgresScheduleStorage):
    """Stores Dagster's schedules and sensors."""

    def __init__(self, pool: Connections) -> None:
        self._inst_data, self.postgres_url, self.should_autocreate_tables = None, pool.address.url, False
        self._engine = pool.engine
        super(PostgresScheduleStorage, self).__init__()
        self._use(pool)


class PostgresEventLog(_Pooled, PostgresEventLogStorage):
    """Stores Dagster's events."""

    def __init__(self, pool: Connections) -> None:
        self._inst_data, self.postgres_url, self.should_autocreate_tables = None, pool.address.url, False
        self._secondary_index_cache, self._event_watcher, self._engine = {}, None, pool.engine
        super(PostgresEventLogStorage, self).__init__()
        self._use(pool)

    def kept(self, entry: dg.EventLogEntry) -> dg.EventLogEntry | None:
        """Returns an event as it is to be stored, or None if it is not."""
        return entry

    def _connect(self) -> AbstractContextManager[sqlalchemy.Connection]:
        return self._pool.plain()

    def index_transaction(self) -> Any:
        return self._pool.whole()

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event, with all that other tables are told of it, or nothing of it.

        When the database was waited for in vain, the run ends, and what it says on the way is lost.

        Raises:
            DatabaseTrouble: the database was away for too long, or refuses it.
        """
        if (kept := self.kept(event)) is None:
            return
        ends = is_given_up(self._pool.address)
        store, asked = self._pool.again(self._store), []
        try:
            store(kept, asked)
        except DatabaseAway:
            if not ends or (event.is_dagster_event and event.dagster_event_type in MIRRORED):
                raise

    def _store(self, event: dg.EventLogEntry, asked: list[bool]) -> None:
        row = self._event_to_row(event)
        again, kind = bool(asked), event.dagster_event_type if event.is_dagster_event else None
        asked.append(True)
        if kind not in MIRRORED:
            with self._pool.plain() as connection:
                if not (again and _is_there(connection, row)):
                    connection.execute(EVENTS.insert().returning(HASTY), row)
            return
        with self._pool.whole() as connection:
            if again and _is_there(connection, row):
                return
            number = connection.execute(EVENTS.insert().returning(EVENTS.c.id), row).scalar_one()
            if kind in ASSET_EVENTS and event.get_dagster_event().asset_key:
                self._store_asset_event_tags(connection, [event], [number])
                self._store_asset_event(connection, event, number)
            if kind in ASSET_CHECK_EVENTS:
                self.store_asset_check_event(event, number)

    def _event_to_row(self, event: dg.EventLogEntry) -> dict[str, Any]:
        row = super()._event_to_row(event)
        # a tenth of what Dagster writes are spaces
        return {**row, "event": json.dumps(json.loads(row["event"]), separators=(",", ":"))}

    def dispose(self) -> None:
        """Close the connections."""
        PostgresEventLogStorage.dispose(self)
        self._pool.close()


def _is_there(connection: sqlalchemy.Connection, row: dict[str, Any]) -> bool:
    """Says whether an event was stored by an attempt of which nobody heard how it ended."""
    same = (EVENTS.c.run_id == row["run_id"], EVENTS.c.timestamp == row["timestamp"])
    query = sqlalchemy.select(EVENTS.c.id).where(*same, EVENTS.c.event == row["event"]).limit(1)
    return connection.execute(query).first() is not None


class PooledPostgresStorage(DagsterPostgresStorage):
    """Keeps the three of them in one database, in the place where Dagster's own would be."""

    event_log: ClassVar[type[PostgresEventLog]] = PostgresEventLog

    def __init__(self, address: Address, inst_data: Any = None) -> None:
        self.postgres_url, self.should_autocreate_tables, self._inst_data = address.url, False, inst_data
        pool = connections.to(address)
        self._run_storage = PostgresRuns(pool)
        self._event_log_storage = self.event_log(pool)
        self._schedule_storage = PostgresSchedules(pool)
        super(DagsterPostgresStorage, self).__init__()

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> Any:
        """Open the database that a ``dagster.yaml`` names, and make its tables if there are none.

        Raises:
            DatabaseTrouble: it does not answer, does not let this user in, or is another version's.
        """
        if config_value.get("auth_provider"):  # it hands out passwords to Dagster's own engines
            return super().from_config_value(inst_data, config_value)
        address = read(pg_url_from_config(config_value), "dagster.yaml")
        birth.make_tables(connections.to(address))
        return cls(address, inst_data)
