"""Holds names alone among processes that share a database: locks of the server, on a connection of their own.

The server drops them when that connection is gone, be it that its process died or its machine. A holder whose
connection was cut takes them anew; where somebody else has one by then, it is told that it has lost that, for
good. Who had it meanwhile and has let go of it again is not known to the server: a file tells that, see
`blut_resources.boxes.locks`.
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
_of_parents: list[Any] = []
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
    holder, one = _of(address), _Hold(_key(name))
    while not holder.take(one):
        meanwhile()
        if abandoned():
            holder.end(one)
        time.sleep(POLL_S)
    try:
        yield lambda: holder.lost(one)
    finally:
        holder.leave(one)


def _of(address: Address) -> "_Holder":
    with _making:
        return _all.setdefault(address.url, _Holder(address))


def _key(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)


class _Hold:
    """Stands for one lock from when it was taken until it is let go; ``lost`` once somebody else had it."""

    def __init__(self, key: int) -> None:
        self.key, self.lost = key, False


class _Holder:
    """Keeps the connection on which all locks of this process are held."""

    def __init__(self, address: Address) -> None:
        self._address, self._turn = address, threading.RLock()
        self._connection: Any = None
        self._held: list[_Hold] = []

    def take(self, one: _Hold) -> bool:
        """Take a lock if nobody else has it."""
        with self._turn:
            taken = bool(self._asked(TAKE, one))
            if taken:
                self._held.append(one)
            return taken

    def leave(self, one: _Hold) -> None:
        """Let go of a lock; of the last one with the connection."""
        with self._turn:
            if one not in self._held:  # it is a parent's
                return
            self._held.remove(one)
            with contextlib.suppress(DBAPIError):  # then the server has dropped it
                if self._connection is not None and not one.lost:
                    self._connection.execute(LEAVE, {"key": one.key})
                if not self._held:
                    self._close()

    def lost(self, one: _Hold) -> str:
        """Says why a lock is not held any more; empty if it is."""
        with self._turn:
            if one not in self._held:
                return "it is held by the process that this one was forked of"
            try:
                self._asked(sqlalchemy.text("SELECT 1"), one)
            except DatabaseTrouble as error:
                return str(error)
            return f"somebody else has taken it in {self._address.words}" if one.lost else ""

    def end(self, one: _Hold) -> None:
        """End the connection of whoever holds a lock.

        Raises:
            DatabaseTrouble: it is another user's.
        """
        with self._turn:
            self._asked(END, one)

    def forked(self) -> None:
        """Forget in a forked process what its parent holds, without a word to the server.

        The connection is kept, for to close it would end the parent's.
        """
        _of_parents.append(self._connection)
        self._turn, self._connection, self._held = threading.RLock(), None, []

    def _asked(self, statement: sqlalchemy.TextClause, one: _Hold) -> object:
        wait = DatabaseWait(self._address)
        while True:
            try:
                return self._connected().execute(statement, {"key": one.key}).scalar()
            except DBAPIError as error:
                with contextlib.suppress(DBAPIError):
                    self._close()
                wait.after(error)

    def _connected(self) -> sqlalchemy.Connection:
        if self._connection is None:
            options = {"isolation_level": "AUTOCOMMIT", "poolclass": sqlalchemy.NullPool}
            engine = sqlalchemy.create_engine(self._address.url, connect_args=ARGUMENTS, **options)
            connection = engine.connect()
            for one in self._held:
                # what was lost once stays lost: somebody else has worked with what it stands for
                one.lost = one.lost or not connection.execute(TAKE, {"key": one.key}).scalar()
            self._connection = connection
        return self._connection

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _forget_parents() -> None:
    global _making
    _making = threading.Lock()
    for holder in _all.values():
        holder.forked()


os.register_at_fork(after_in_child=_forget_parents)
