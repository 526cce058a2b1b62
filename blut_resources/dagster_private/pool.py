"""Keeps what a storage needs again: connections and compiled statements."""

import os
import sqlite3
from collections import OrderedDict
from typing import Any

import sqlalchemy

KEPT_ENGINES = 8
BUSY_S = 30.0
"""Seconds to wait for another process's transaction."""


class Engines:
    """Keeps the engines of the last few databases, with their connections and compiled statements."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[int, sqlalchemy.Engine]] = OrderedDict()

    def get(self, address: str, kind: type[sqlite3.Connection] = sqlite3.Connection) -> sqlalchemy.Engine:
        """Returns the engine for an address such as ``sqlite:////a/b.db``."""
        owner, engine = self._kept.pop(address, (0, None))
        if engine is None or owner != os.getpid():  # a connection must not be used across a fork
            options = {"timeout": BUSY_S, "factory": kind}
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


class HastyConnection(sqlite3.Connection):
    """Waits for the disk now and then only: the last second of a power cut may be missing, never torn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA synchronous=NORMAL")
