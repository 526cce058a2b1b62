"""Gives the disk back what rows that were deleted have left free in a SQLite database."""

import contextlib
import sqlite3
from pathlib import Path

from blut_resources.dagster_private.pool import BUSY_S

LEAST_BYTES, LEAST_SHARE = 1 << 20, 0.25
"""So much is free, and such a part of the whole, before a database is written anew."""


def give_back(path: Path) -> int:
    """Write a database anew without its free pages, where that is worth it; returns the bytes freed.

    Others may read and write it meanwhile. Where it cannot be done, such as on a full disk, nothing changes.
    """
    if not path.exists():
        return 0
    before = path.stat().st_size
    with contextlib.suppress(sqlite3.Error), contextlib.closing(_opened(path)) as connection:
        if _is_worth_it(connection):
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return max(0, before - path.stat().st_size)


def _opened(path: Path) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    return sqlite3.connect(address, uri=True, timeout=BUSY_S, isolation_level=None)


def _is_worth_it(connection: sqlite3.Connection) -> bool:
    free, pages, size = (
        connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("freelist_count", "page_count", "page_size")
    )
    return free * size >= LEAST_BYTES and free >= pages * LEAST_SHARE
