"""Holds names alone among processes that share a database: locks of the server, on a connection of their own.

The server drops them when that connection is gone, be it that its process died or its machine. A holder whose
connection was cut takes them anew; where somebody else has them by then, it is told that it lost them.
"""

import contextlib
import hashlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy
from sqlalchemy.exc import DBAPIError

from blut_resources.database.address import Address
from blut_resources.database.connections import ARGUMENTS
from blut_resources.database.patience import DatabaseWait
from blut_resources.database.troubles import DatabaseTrouble

POLL_S = 0.25
"""Seconds between two looks at a lock that somebody else holds."""
TAKE = sqlalchemy.text("SELECT pg_try_advisory_lock(:key)")
LEAVE = sqlalchemy.text("SELECT pg_advisory_unlock(:key)")
END = sqlalchemy.text(
    "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1"
    " AND (classid::bigint << 32 | objid::bigint) = :key AND pid <> pg_backend_pid()"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)

_all: dict[str, "_Holder"] = {}
_making = threading.Lock()


@contextlib.contextmanager
def held(
    address: Address, name: str, meanwhile: Callable[[], object], abandoned: Callable[[], bool]
) -> Iterator[Callable[[], str]]:
    """Hold a name; yields what says why it is lost, empty as long as it is not.

    Args:
        address: of the database.
        name: what is held.
        meanwhile: called while it waits; what it raises ends the wait.
        abandoned: says that the holder has not been seen for too long: its connection is ended.

    Raises:
        DatabaseTrouble: the database does not answer.
    """
    holder, key = _of(address), _key(name)
    while not holder.take(key):
        meanwhile()
        if abandoned():
            holder.end(key)
        time.sleep(POLL_S)
    try:
        yield lambda: holder.lost(key)
    finally:
        holder.leave(key)


def _of(address: Address) -> "_Holder":
    with _making:
        return _all.setdefault(address.url, _Holder(address))


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


class _Holder:
    """Keeps the connection on which all locks of this process are held."""

    def __init__(self, address: Address) -> None:
        self._address, self._turn = address, threading.RLock()
        self._connection: Any = None
        self._owner = 0
        self._held: dict[int, int] = {}
        self._lost: set[int] = set()

    def take(self, key: int) -> bool:
        """Take a lock if nobody else has it."""
        with self._turn:
            taken = bool(self._asked(TAKE, key))
            if taken:
                self._held[key] = self._held.get(key, 0) + 1
            return taken

    def leave(self, key: int) -> None:
        """Let go of a lock; of the last one with the connection."""
        with self._turn:
            self._held[key] -= 1
            if not self._held[key]:
                del self._held[key]
            lost = key in self._lost
            if key not in self._held:
                self._lost.discard(key)
            with contextlib.suppress(DBAPIError):  # then the server has dropped it
                if self._connection is not None and not lost:
                    self._connection.execute(LEAVE, {"key": key})
                if not self._held:
                    self._close()

    def lost(self, key: int) -> str:
        """Says why a lock is not held any more; empty if it is."""
        with self._turn:
            try:
                self._asked(sqlalchemy.text("SELECT 1"), key)
            except DatabaseTrouble as error:
                return str(error)
            return f"somebody else holds it in {self._address.words}" if key in self._lost else ""

    def end(self, key: int) -> None:
        """End the connection of whoever holds a lock.

        Raises:
            DatabaseTrouble: it is another user's.
        """
        with self._turn:
            self._asked(END, key)

    def _asked(self, statement: sqlalchemy.TextClause, key: int) -> object:
        wait = DatabaseWait(self._address)
        while True:
            try:
                return self._connected().execute(statement, {"key": key}).scalar()
            except DBAPIError as error:
                with contextlib.suppress(DBAPIError):
                    self._close()
                wait.after(error)

    def _connected(self) -> sqlalchemy.Connection:
        if self._owner != os.getpid():  # a child has none of its parent's
            self._owner, self._connection, self._held, self._lost = os.getpid(), None, {}, set()
        if self._connection is None:
            options = {"isolation_level": "AUTOCOMMIT", "poolclass": sqlalchemy.NullPool}
            engine = sqlalchemy.create_engine(self._address.url, connect_args=ARGUMENTS, **options)
            connection = engine.connect()
            for key, times in self._held.items():
                for _ in range(times):
                    if not connection.execute(TAKE, {"key": key}).scalar():
                        self._lost.add(key)
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()
