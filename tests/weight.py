"""What a home weighs."""

import contextlib
import sqlite3
from pathlib import Path


def weight(home: Path) -> int:
    """Bytes of the files of a home; of a database those in use, since free ones hide what is added."""
    files = [path for path in home.rglob("*") if path.is_file() and path.suffix not in (".db-wal", ".db-shm")]
    return sum(_used(path) if path.suffix == ".db" else path.stat().st_size for path in files)


def _used(database: Path) -> int:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        asked = ("page_count", "freelist_count", "page_size")
        pages, free, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked)
    return (pages - free) * size
