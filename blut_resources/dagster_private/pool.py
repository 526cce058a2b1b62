"""Keeps what a storage needs again: connections and compiled statements."""

import os
import sqlite3
from collections import OrderedDict
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

import sqlalchemy

from blut_resources.files.full import takes_nothing

KEPT_ENGINES = 8
TOUCH = "SELECT 1 FROM sqlite_master LIMIT 1"
_only_read: set[Path] = set()
BUSY_S = 30.0
"""Seconds to wait for another process's transaction."""


class WholeConnection(sqlite3.Connection):
    """Opens a database also where the file that its users share cannot be made, since the disk is full.

    It is alone then: SQLite keeps in memory what it would share. Where its log of newest changes is gone too,
    which its last user took in then, and cannot be made, it is read as it is.
    """

    def __init__(self, database: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(database, *args, **kwargs)
        try:
            self.execute(TOUCH)
        except sqlite3.OperationalError:
            path = unquote(urlsplit(database).path) if database.startswith("file:") else database
            if not takes_nothing(Path(path).parent):
                raise
            self.close()
            if Path(f"{path}-wal").exists():
                super().__init__(database, *args, **kwargs)
                self.execute("PRAGMA locking_mode=EXCLUSIVE")
            else:
                as_it_is = f"{Path(path).absolute().as_uri()}?mode=ro&immutable=1"
                super().__init__(as_it_is, *args, **{**kwargs, "uri": True})
            self.execute(TOUCH)


class Engines:
    """Keeps the engines of the last few databases, with their connections and compiled statements."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, sqlalchemy.Engine]] = OrderedDict()

    def get(self, address: str, kind: type[sqlite3.Connection] = WholeConnection) -> sqlalchemy.Engine:
        """Returns the engine for an address such as ``sqlite:////a/b.db``."""
        owner, engine = self._kept.pop(address, (0, None))
        if engine is None or owner != os.getpid():  # a connection must not be used across a fork
            path = Path(address.removeprefix("sqlite:///"))
            options = {"timeout": BUSY_S, "factory": kind if writable(path) else ReadConnection}
            # no thread of the UI waits for another's connection
            engine = sqlalchemy.create_engine(address, max_overflow=-1, connect_args=options)
        self._kept[address] = os.getpid(), engine
        while len(self._kept) > KEPT_ENGINES:
            self._kept.popitem(last=False)[1][1].dispose()
        return engine

    def drop(self, address: str) -> None:
        """Close the connections to one database."""
        _, engine = self._kept.pop(address, (0, None))
        if engine is not None:
            engine.dispose()

    def dispose(self) -> None:
        """Close the connections."""
        while self._kept:
            self._kept.popitem()[1][1].dispose()


class HastyConnection(WholeConnection):
    """Waits for the disk now and then only: the last second of a power cut may be missing, never torn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=NORMAL")


class ReadConnection(sqlite3.Connection):
    """Reads a database that this process may not write.

    SQLite wants to write beside it, unless whoever writes it has made those files already, or it is told that
    nothing changes.
    """

    def __init__(self, database: str, *args: Any, **kwargs: Any) -> None:
        path = os.path.join(os.getcwd(), database)  # noqa: PTH109, PTH118 - doctor opens that of every run
        used = os.path.exists(f"{path}-wal") and os.path.exists(f"{path}-shm")  # noqa: PTH110
        address = f"file://{quote(os.fsencode(path))}?mode=ro{'' if used else '&immutable=1'}"
        super().__init__(address, *args, **{**kwargs, "uri": True})


def never_write(directory: Path) -> None:
    """Have the databases below a directory only be read by this process, whatever it may do to them."""
    _only_read.add(directory.resolve())


def writable(path: Path) -> bool:
    """Says whether a database can be written by this process, or made."""
    if _only_read and not _only_read.isdisjoint(path.resolve().parents):
        return False
    return os.access(path.parent, os.W_OK) and (not path.exists() or os.access(path, os.W_OK))
