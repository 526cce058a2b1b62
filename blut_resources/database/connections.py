"""Keeps a few connections to a database for all of a process, each used by one thread at a time."""

import contextlib
import functools
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, ParamSpec, TypeVar

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from blut_resources.database.address import Address
from blut_resources.database.patience import DatabaseWait
from blut_resources.database.troubles import is_away

AT_MOST = 3
"""Connections of a process to a database, besides that of its locks; further threads wait for one."""
TURN_S = 60.0
"""Seconds for which they do."""
ARGUMENTS = {
    "connect_timeout": 5,
    "application_name": "blut",
    # a server whose machine is gone says nothing: without these, nobody would know for hours
    "keepalives": 1,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}

P = ParamSpec("P")
T = TypeVar("T")
_all: "dict[str, Connections]" = {}
_making = threading.Lock()


def to(address: Address) -> "Connections":
    """Returns this process's connections to a database, always the same ones; none is made yet."""
    with _making:
        found = _all.get(address.url)
        if found is None:
            found = _all[address.url] = Connections(address)
        return found


class Connections:
    """Gives connections: to a thread the one that it has already, if it asks within a block of its own."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self._mine = threading.local()
        self._owner, self._engine = os.getpid(), _engine(address)

    @property
    def engine(self) -> sqlalchemy.Engine:
        """Returns the engine of this process; a connection must not be used across a fork."""
        if self._owner != os.getpid():
            self._engine.dispose(close=False)
            self._owner, self._mine = os.getpid(), threading.local()
        return self._engine

    @contextlib.contextmanager
    def plain(self) -> Iterator[sqlalchemy.Connection]:
        """Give a connection on which each statement counts at once.

        Raises:
            DatabaseTrouble: there is none to be had.
        """
        engine = self.engine
        held: sqlalchemy.Connection | None = getattr(self._mine, "held", None)
        if held is not None and not held.closed:
            yield held
            return
        with self._had(engine) as connection:
            self._mine.held = connection
            try:
                yield connection
            finally:
                self._mine.held = None

    @contextlib.contextmanager
    def whole(self) -> Iterator[sqlalchemy.Connection]:
        """Give a connection on which all of the block counts, or nothing of it.

        Raises:
            DatabaseTrouble: there is none to be had.
        """
        engine = self.engine
        outer: Any = getattr(self._mine, "held", None)
        if getattr(self._mine, "whole", False):
            yield outer
            return
        with self._had(engine) as connection:
            connection = connection.execution_options(isolation_level="READ COMMITTED")
            self._mine.held, self._mine.whole = connection, True
            try:
                with connection.begin():
                    yield connection
            finally:
                self._mine.held, self._mine.whole = outer, False

    @contextlib.contextmanager
    def _had(self, engine: sqlalchemy.Engine) -> Iterator[sqlalchemy.Connection]:
        connection = self._reached(engine.connect)
        try:
            yield connection
        finally:
            connection.close()

    def _reached(self, connect: Callable[[], sqlalchemy.Connection]) -> sqlalchemy.Connection:
        wait = DatabaseWait(self.address)
        while True:
            try:
                connection = connect()
            except DBAPIError as error:
                wait.after(error)
            else:
                wait.over()
                return connection

    def again(self, function: Callable[P, T]) -> Callable[P, T]:
        """Returns a function that is called anew if the connection was lost in the middle of it."""

        @functools.wraps(function)
        def waiting(*args: P.args, **kwargs: P.kwargs) -> T:
            wait = DatabaseWait(self.address)
            while True:
                try:
                    return function(*args, **kwargs)
                except DBAPIError as error:
                    if not is_away(error) or getattr(self._mine, "held", None) is not None:
                        raise
                    wait.after(error)

        return waiting

    def close(self) -> None:
        """Close those that nobody uses at present."""
        self.engine.dispose()


def _engine(address: Address) -> sqlalchemy.Engine:
    return sqlalchemy.create_engine(
        address.url,
        isolation_level="AUTOCOMMIT",
        pool_size=AT_MOST,
        max_overflow=0,
        pool_timeout=TURN_S,
        pool_use_lifo=True,
        pool_pre_ping=True,
        connect_args=ARGUMENTS,
    )
