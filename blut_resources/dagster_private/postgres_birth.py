"""Makes Dagster's tables in an empty PostgreSQL database: all of them at once, at the newest revision.

Dagster makes them in three steps, and two first commands at once find each other's half. Here one
transaction makes all, and whoever comes second waits for it. When Dagster changes, look at ``_init_db`` and
``__init__`` of the storages of ``dagster_postgres``.
"""

import time
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import dagster
import sqlalchemy
from dagster._core.storage.event_log.migration import ASSET_DATA_MIGRATIONS, EVENT_LOG_DATA_MIGRATIONS
from dagster._core.storage.event_log.schema import SqlEventLogStorageMetadata
from dagster._core.storage.runs.migration import OPTIONAL_DATA_MIGRATIONS, REQUIRED_DATA_MIGRATIONS
from dagster._core.storage.runs.schema import RunStorageSqlMetadata
from dagster._core.storage.runs.schema import SecondaryIndexMigrationTable as Migrated
from dagster._core.storage.schedules.migration import (
    OPTIONAL_SCHEDULE_DATA_MIGRATIONS,
    REQUIRED_SCHEDULE_DATA_MIGRATIONS,
)
from dagster._core.storage.schedules.schema import ScheduleStorageSqlMetadata
from sqlalchemy.exc import DBAPIError

from blut_resources.dagster_private.birth import STAMP, newest_revision, revisions
from blut_resources.database.address import Address
from blut_resources.database.connections import Connections
from blut_resources.database.troubles import DatabaseTrouble, told

METADATA = (RunStorageSqlMetadata, SqlEventLogStorageMetadata, ScheduleStorageSqlMetadata)
MIGRATIONS = (
    *(*REQUIRED_DATA_MIGRATIONS, *OPTIONAL_DATA_MIGRATIONS),
    *(*EVENT_LOG_DATA_MIGRATIONS, *ASSET_DATA_MIGRATIONS),
    *(*REQUIRED_SCHEDULE_DATA_MIGRATIONS, *OPTIONAL_SCHEDULE_DATA_MIGRATIONS),
)
"""Those of data, which an empty database does not need."""
MAIN = ("runs", "event_logs", "jobs")
TURN = 0x626C7574
"""The number of the lock under which tables are made."""
OLDEST = 12
"""Of the versions of PostgreSQL, the first that is taken."""
LOOK = """
SELECT to_regclass('runs') IS NOT NULL AS runs, to_regclass('event_logs') IS NOT NULL AS event_logs,
  to_regclass('jobs') IS NOT NULL AS jobs, to_regclass('alembic_version') IS NOT NULL AS stamped,
  current_setting('server_version_num')::int / 10000 AS server
"""

LONGEST_TAG = 2000
"""Bytes of the value of a tag that surely fit into the index of tags, which refuses more than 2,704."""


class FoundTables(NamedTuple):
    """Says what is in a database: which of the main tables, with which stamp, on which server."""

    tables: tuple[str, ...]
    revision: str | None
    server: int

    @property
    def is_empty(self) -> bool:
        """Says whether Dagster has made nothing there."""
        return not self.tables


def findable(value: str) -> str:
    """Returns as much of a tag's value as its index takes; a run has the whole of it besides."""
    encoded = value.encode(errors="replace")
    return value if len(encoded) <= LONGEST_TAG else encoded[:LONGEST_TAG].decode(errors="ignore")


def look(connection: sqlalchemy.Connection) -> FoundTables:
    """Returns what is in a database."""
    row: Any = connection.execute(sqlalchemy.text(LOOK)).one()._mapping
    said = sqlalchemy.text("SELECT version_num FROM alembic_version")
    revision = connection.execute(said).scalar() if row["stamped"] else None
    return FoundTables(tuple(name for name in MAIN if row[name]), revision, row["server"])


def usable(pool: Connections) -> FoundTables:
    """Returns what is in a database that this Dagster can use, or that is empty.

    Raises:
        DatabaseTrouble: the server is too old, or another version of Dagster has made the tables.
    """
    try:
        with pool.plain() as connection:
            found = look(connection)
    except DBAPIError as error:
        raise told(pool.address, error) from error
    _refuse(pool.address, found)
    return found


def _refuse(address: Address, found: FoundTables) -> None:
    if found.server < OLDEST:
        raise DatabaseTrouble(
            f"{address.words} is PostgreSQL {found.server}; of {OLDEST} and later it is taken"
        )
    if found.is_empty:
        return
    if len(found.tables) < len(MAIN):
        raise DatabaseTrouble(
            f"{address.words} has some of Dagster's tables ({', '.join(found.tables)}), not all: it is used"
            " for something else, or was left half made; name a database of its own"
        )
    head, version = newest_revision(), dagster.__version__
    if head is None or found.revision == head:
        return
    if found.revision in revisions():
        what = "`dagster instance migrate` brings them up to this one; make a backup (pg_dump) before"
    else:
        what = "use that version of Dagster, or another database"
    age = "an older" if found.revision in revisions() else "a newer"
    raise DatabaseTrouble(
        f"{address.words}: its tables are of {age} Dagster than {version} (revision {found.revision}, here"
        f" {head}); {what}"
    )


def make_tables(pool: Connections) -> None:
    """Make all tables where there are none.

    Raises:
        DatabaseTrouble: they cannot be made, or are another version's.
    """
    if not usable(pool).is_empty:
        return
    try:
        with pool.whole() as connection:
            turn(connection)
            if look(connection).is_empty:
                create(connection)
    except DBAPIError as error:
        raise told(pool.address, error) from error


def turn(connection: sqlalchemy.Connection) -> None:
    """Wait for whoever else makes tables; nobody does until the end of this transaction."""
    connection.execute(sqlalchemy.text("SELECT pg_advisory_xact_lock(:turn)"), {"turn": TURN})


def create(connection: sqlalchemy.Connection, migrations: Sequence[str] = MIGRATIONS) -> None:
    """Make all tables, stamped as the newest, in the transaction of a connection."""
    head = newest_revision()
    if head is None:
        raise DatabaseTrouble(
            f"the newest revision of Dagster {dagster.__version__} is not known: upgrade Blut"
        )
    for metadata in METADATA:
        metadata.create_all(connection)
    connection.execute(sqlalchemy.text(STAMP))
    connection.execute(sqlalchemy.text("INSERT INTO alembic_version VALUES (:head)"), {"head": head})
    mark(connection, migrations)


def mark(connection: sqlalchemy.Connection, migrations: Iterable[str]) -> None:
    """Note migrations of data that are not needed any more."""
    now = datetime.fromtimestamp(time.time())
    rows = [{"name": name, "migration_completed": now} for name in dict.fromkeys(migrations)]
    if rows:
        connection.execute(Migrated.insert(), rows)
