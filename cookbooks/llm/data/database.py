"""Reads conversations out of an SQLite database. It is opened read-only and never changed.

The schema: a table (or view) ``turns`` with the columns

``conversation_id``  text or integer; turns with the same one are a conversation.
``timestamp``        ISO 8601 text (UTC if it names no zone), or seconds (or milliseconds) since 1970.
``role``             ``user``, ``assistant``, ``system`` or ``tool``.
``content``          text.

Other columns are not looked at. Turns are ordered by timestamp, equal ones as they were inserted.
"""

import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blut_resources.files.foreign import open_regular
from cookbooks.llm.data.conversations import Conversation, Turn
from cookbooks.llm.data.database_bounds import OutOfBounds, bounded
from cookbooks.llm.data.problems import DataError, Problems, RowError, shorten
from cookbooks.llm.data.since import parse_time

MAGIC = b"SQLite format 3\x00"
COLUMNS = ("conversation_id", "timestamp", "role", "content")


def is_database(path: Path) -> bool:
    """Returns True for a file that begins as SQLite databases do."""
    if not path.is_file():
        return False
    with open_regular(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def read_database(path: Path, problems: Problems) -> Iterator[Conversation]:
    """Yields every conversation, in the order of the ids.

    A writer at work is not disturbed, nor seen half done.

    Args:
        problems: receives what is wrong with a turn, at its row number; its conversation is left out.

    Raises:
        DataError: it cannot be read, or is of another schema.
    """
    try:
        with bounded(path) as (connection, watch):
            connection.execute("BEGIN")
            number = _number(connection, path)
            chosen = f"SELECT {number}, {', '.join(COLUMNS)} FROM turns ORDER BY conversation_id, {number}"
            found = watch.rows(connection.execute(chosen))
            for name, rows in itertools.groupby(found, key=lambda row: row[1]):
                try:
                    yield _conversation(path.name, name, list(rows))
                except _BadTurn as bad:
                    problems.add(bad.error.at(path.name, bad.number))
    except OutOfBounds as error:
        raise DataError(f"{path.name}: {error}") from error
    except sqlite3.Error as error:
        raise DataError(
            f"{path.name}: cannot be read as an SQLite database: {error}. If it is in write-ahead mode, the"
            " files -wal and -shm beside it must be readable too; or give a copy made with sqlite3's .backup"
        ) from error


def _number(connection: sqlite3.Connection, path: Path) -> str:
    """Returns the column that says in which order turns were inserted, after a look at the schema."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(turns)")}
    missing = [column for column in COLUMNS if column not in found]
    if missing:
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")
        tables = ", ".join(sorted(row[0] for row in listed)) or "none"
        what = f"the table turns has no column {', '.join(missing)}" if found else "there is no table turns"
        raise DataError(
            f"{path.name}: {what} (tables: {tables}): make a view turns({', '.join(COLUMNS)}) over the table"
            " that holds the messages"
        )
    try:
        connection.execute("SELECT rowid FROM turns LIMIT 0")
    except sqlite3.OperationalError:
        return "timestamp"
    return "rowid"


class _BadTurn(Exception):
    def __init__(self, error: RowError, number: Any) -> None:
        super().__init__(str(error))
        self.error, self.number = error, number if isinstance(number, int) else 0


def _conversation(file: str, name: Any, rows: list[tuple[Any, ...]]) -> Conversation:
    turns = []
    for number, _, time, role, content in rows:
        try:
            turns.append(_turn(name, time, role, content))
        except RowError as error:
            raise _BadTurn(error, number) from None
    turns.sort(key=lambda turn: turn.time or 0.0)
    return Conversation(str(name), turns, f"{file}: conversation {shorten(name)}")


def _turn(name: Any, time: Any, role: Any, content: Any) -> Turn:
    if name is None:
        raise RowError("missing field", "conversation_id", "is null", "give each turn its conversation's id")
    for column, value in (("role", role), ("content", content)):
        if not isinstance(value, str):
            what = "is null" if value is None else f"is no text: {shorten(value)}"
            raise RowError("wrong type", column, what, "write text, or remove the turn")
    try:
        return Turn(parse_time(time), role, content)
    except ValueError:
        remedy = "write ISO 8601, or seconds since 1970"
        raise RowError("wrong type", "timestamp", f"is no time: {shorten(time)}", remedy) from None
