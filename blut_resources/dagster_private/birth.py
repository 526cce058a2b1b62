"""Makes new SQLite databases for Dagster: whole at once, and at the newest revision.

Dagster makes one table at a time, each in a transaction of its own, and has alembic load all its revision
scripts to learn which is the newest. Each run has a database for its events, so each run paid for that.
"""

# Why not let Dagster make its tables where it can, and in place:
#
# Dagster makes table after table, and stamps the revision at the end. Killed in between, it leaves a database
# with tables and no stamp, which the next start takes for one of an old version. Two processes that start at
# once can find each other's half. A lock around it would not help against processes that do not know of the
# lock, such as Dagster's own webserver on the same home.
#
# So the database is made under another name, in one transaction, checkpointed and flushed, and gets its name
# by a hard link. A rename would not do: it replaces what is there, and a process that has just opened the
# other database would go on writing to a file without a name. A link fails where there is one, and the loser
# uses the winner's. `wal_checkpoint` comes before the close since SQLite says nothing of a disk that fills
# while it closes; the side files (`-wal`, `-shm`) belong to the temporary name, and the link does not take
# them along.
#
# The stamp has to be the very revision that this Dagster calls its head, or it would migrate at the first
# look. Alembic knows it, at the price of importing every script; here it is read off their text, and if that
# is not plain the answer is None, and Dagster makes its database as it always did. Nothing is believed that
# was not read: a wrong head would be worse than a slow start.

import contextlib
import functools
import os
import re
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import dagster
import sqlalchemy

from blut_resources.dagster_private.pool import BUSY_S, WholeConnection
from blut_resources.files.durable import random_name
from blut_resources.files.full import is_full

ASSIGNED = re.compile(rb"^(revision|down_revision)\b[^=\n]*=(.*)$", re.MULTILINE)
QUOTED = re.compile(rb"""["'](\w+)["']""")
STAMP = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL,"
    " CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
MARK = "INSERT INTO secondary_indexes (name, migration_completed) VALUES (?, ?)"


@functools.cache
def newest_revision() -> str | None:
    """Returns the revision that this version of Dagster calls ``head``;
    None if its scripts do not say it plainly.
    """
    made, followed = _scripts()
    heads = made - followed
    return next(iter(heads)) if len(heads) == 1 and followed < made else None


def revisions() -> frozenset[str]:
    """Returns every revision that this version of Dagster knows."""
    return _scripts()[0]


@functools.cache
def _scripts() -> tuple[frozenset[str], frozenset[str]]:
    """Returns the revisions that scripts make, and those that others follow."""
    made: set[str] = set()
    followed: set[str] = set()
    scripts = Path(dagster.__file__).parent / "_core" / "storage" / "alembic" / "versions"
    for script in scripts.glob("*.py"):
        for name, value in ASSIGNED.findall(script.read_bytes()):
            (made if name == b"revision" else followed).update(map(bytes.decode, QUOTED.findall(value)))
    return frozenset(made), frozenset(followed)


def revision_of(path: Path) -> str | None:
    """Returns the revision that a database is stamped with; None without a stamp or a database.

    Raises:
        sqlite3.Error: if it cannot be read.
    """
    if not path.exists():
        return None
    with _open(path) as connection:
        if not _has_table(connection, "alembic_version"):
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        return row and row[0]


def has_table(path: Path, name: str) -> bool:
    """Says whether a database that exists has this table."""
    with _open(path) as connection:
        return _has_table(connection, name)


def statements_of(metadata: sqlalchemy.MetaData) -> list[str]:
    """Returns what makes the tables and indexes of ``metadata`` in SQLite."""
    found: list[str] = []
    engine = sqlalchemy.create_mock_engine(
        "sqlite://", lambda statement, *_: found.append(str(statement.compile(dialect=engine.dialect)))
    )
    metadata.create_all(engine, checkfirst=False)
    return found


def statements_in(path: Path, tables: Collection[str]) -> list[str]:
    """Returns what makes these tables, which a database has, with their indexes."""
    with _open(path) as connection:
        found = connection.execute("SELECT tbl_name, sql FROM sqlite_master")
        return [sql for name, sql in found if sql and name in tables]


def create(
    path: Path,
    statements: Iterable[str],
    revision: str,
    migrated: Sequence[str] = (),
    *,
    page_bytes: int = 4096,
) -> bool:
    """Make a database at ``path``; False if there is one by now, or on a filesystem without hard links.

    Raises:
        OSError: the file system is full; Dagster's own way would leave half a database there.
        sqlite3.Error: likewise, or what was made is not whole.

    Args:
        migrated: the data migrations that an empty database does not need.
        page_bytes: what each table and index takes at least, a power of two from 512.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".new-{random_name()}")
    try:
        _fill(temporary, statements, revision, migrated, page_bytes)
        # unlike a rename, a link never takes the place of a database that others have opened
        os.link(temporary, path)
    except OSError as error:
        if is_full(error):
            raise
        return False
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
    return True


def _fill(
    path: Path, statements: Iterable[str], revision: str, migrated: Sequence[str], page_bytes: int
) -> None:
    now = str(datetime.now())
    # SQLite would close it to a group whatever the umask, and its other files take their mode from it
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # synced below, once
        connection.execute(f"PRAGMA page_size={page_bytes}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN")
        for statement in [*statements, STAMP]:
            connection.execute(statement)
        connection.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
        for name in migrated:
            connection.execute(MARK, (name, now))
        connection.execute("COMMIT")
        # at the close a full disk would go unnoticed, and half a database stay
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    _refuse_torn(path)
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _refuse_torn(path: Path) -> None:
    """See that the file alone, which is all that gets the name, is whole."""
    address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
    with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(f"{path}: {found}")


@contextlib.contextmanager
def _open(path: Path) -> Iterator[sqlite3.Connection]:
    address = f"{path.absolute().as_uri()}?mode=rw"  # rw: never makes the file
    with contextlib.closing(
        sqlite3.connect(address, uri=True, timeout=BUSY_S, factory=WholeConnection)
    ) as connection:
        yield connection


def _has_table(connection: sqlite3.Connection, name: str) -> bool:
    query = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
    return connection.execute(query, (name,)).fetchone() is not None
