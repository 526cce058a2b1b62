"""Opens an SQLite database that others wrote, within bounds: what it makes SQLite do ends.

A view is a program. One that never ends, or that makes gigabytes out of nothing, is stopped: no function of
the schema is trusted, nothing is recursive, a value has a length, and who waits looks at the clock, at the
temporary files and at signals while SQLite works.
"""

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

WAIT_S = 10.0
STALL_S = 300.0
"""Seconds that the next row may take."""
VALUE = 64 << 20
"""Bytes of a value."""
FACTOR, FREE = 8, 256 << 20
"""Rows and temporary files may be so many times what the database holds, and so many bytes more."""
EVERY = 20_000
"""Instructions of SQLite's machine between two looks."""
LIMITS = {
    sqlite3.SQLITE_LIMIT_LENGTH: VALUE,
    sqlite3.SQLITE_LIMIT_ATTACHED: 0,
    sqlite3.SQLITE_LIMIT_COMPOUND_SELECT: 50,
    sqlite3.SQLITE_LIMIT_EXPR_DEPTH: 200,
    sqlite3.SQLITE_LIMIT_TRIGGER_DEPTH: 10,
    sqlite3.SQLITE_LIMIT_VDBE_OP: 1_000_000,
}
REFUSED = {sqlite3.SQLITE_RECURSIVE, sqlite3.SQLITE_ATTACH}


class OutOfBounds(Exception):
    """Says that the database does more than reading what it holds, and names the remedy."""


class Watch:
    """Counts what has been read and looks at SQLite while it works."""

    def __init__(self, size: int) -> None:
        self._most, self._taken = FREE + FACTOR * size, 0
        self._since, self._looks = time.monotonic(), 0
        self.stopped_by: BaseException | None = None

    def rows(self, found: Iterator[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
        """Yields the rows as they come.

        Raises:
            OutOfBounds: they hold far more than the database does.
        """
        for row in found:
            self._taken += sum(len(value) for value in row if isinstance(value, str | bytes)) + 8 * len(row)
            if self._taken > self._most:
                raise OutOfBounds(f"its rows hold more than {self._most >> 20} MiB; {_REMEDY}")
            yield row
            self._since = time.monotonic()

    def look(self) -> int:
        """Say whether SQLite, which calls this, is to stop."""
        self._looks += 1
        if time.monotonic() - self._since > STALL_S:
            self.stopped_by = OutOfBounds(f"no row came in {STALL_S:g} s; {_REMEDY}")
        elif self._looks % 50 == 0 and _temporary() > self._most:
            self.stopped_by = OutOfBounds(
                f"its temporary files grew beyond {self._most >> 20} MiB; {_REMEDY}"
            )
        return self.stopped_by is not None

    @contextlib.contextmanager
    def signals(self) -> Iterator[None]:
        """Keep what Ctrl-C or SIGTERM raises while SQLite calls `look`:
        it has no caller, and would be lost.
        """
        before = sys.unraisablehook

        def caught(lost: Any) -> None:
            if isinstance(lost.exc_value, Exception) or lost.exc_value is None:
                before(lost)
            else:
                self.stopped_by = lost.exc_value

        sys.unraisablehook = caught
        sqlite3.enable_callback_tracebacks(True)
        try:
            yield
        finally:
            sqlite3.enable_callback_tracebacks(False)
            sys.unraisablehook = before


_REMEDY = "give a plain table turns in place of the view, or a copy of the database"


@contextlib.contextmanager
def bounded(path: Path) -> Iterator[tuple[sqlite3.Connection, Watch]]:
    """Open a connection that only reads, and its watch.

    Raises:
        OutOfBounds: it was stopped.
        sqlite3.Error: it cannot be read.
    """
    watch = Watch(path.stat().st_size)
    address = f"file:{quote(str(path.absolute()))}?mode=ro"
    with contextlib.closing(sqlite3.connect(address, uri=True, timeout=WAIT_S)) as connection:
        connection.isolation_level = None
        for pragma in ("query_only = 1", "trusted_schema = 0", "cell_size_check = 1", "mmap_size = 0"):
            connection.execute(f"PRAGMA {pragma}")
        for limit, value in LIMITS.items():
            connection.setlimit(limit, value)
        connection.set_authorizer(_allowed)
        connection.set_progress_handler(watch.look, EVERY)
        try:
            with watch.signals():
                yield connection, watch
        except sqlite3.Error as error:
            if watch.stopped_by is not None:
                raise watch.stopped_by from error
            raise


def _allowed(action: int, *_: Any) -> int:
    return sqlite3.SQLITE_DENY if action in REFUSED else sqlite3.SQLITE_OK


def _temporary() -> int:
    """Returns the bytes of the files that SQLite has open and that have no name any more."""
    total = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            if "etilqs_" in os.fspath(descriptor.readlink()):
                total += descriptor.stat().st_size
    return total
