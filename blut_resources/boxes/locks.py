"""Holds a name alone, among the processes of all machines that share a directory or a history.

The lock is a ``flock`` on a file, which says who holds it and is touched as long as it does. Where the
history is kept by a server, a lock of that server is held besides.
"""

# How a lock is taken from a machine that is gone, and what becomes of it if it was not:
#
# Who waits reads in the file who holds it. Of a process of this boot the kernel's word counts, and nobody
# takes anything from it. One of another machine that has not touched the file within the limit loses it: the
# file is deleted, and the next one of its name is another file. Nothing tells the old holder; it asks before
# it gives away what it has made (`Hold.lost`), and finds that the file of that name is not the one that it
# has locked. That works however it was away: stopped, suspended, or cut off from the disk.
#
# Deleting is done under a lock of its own, after a second look at what has the name: else two that wait could
# take the file from each other.

import contextlib
import io
import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from blut_resources.boxes.beats import BEAT_S, beat, silent
from blut_resources.boxes.probe import refuse_loose_locks
from blut_resources.files.durable import StoreError, acquire, explained, release
from blut_resources.machine import liveness
from blut_resources.machine.liveness import Holder
from blut_resources.machine.processes import boot_id
from blut_resources.text import one_line

Meanwhile = Callable[[], object]
ServerLock = Callable[[Meanwhile, Callable[[], bool]], AbstractContextManager[Callable[[], str]]]
"""A lock of a server that keeps a history.

It gets what is called while it waits and may raise, and what says that the holder has not been seen within
the limit, so that its connection may be ended. It yields what says why the lock is lost, empty as long as it
is not.
"""


class LockLost(StoreError):
    """Says that another machine has taken over what this process has held, and who."""


class Hold:
    """Stands for a name that this process holds, until it is released."""

    def __init__(self, path: Path, file: io.FileIO, words: str, lost: Callable[[], str] = str) -> None:
        self._path, self._file, self._lost_there = path, file, lost
        said = f"{one_line(words, 500)}\n{liveness.this_process().line()}\n"
        with contextlib.suppress(OSError):  # a full disk keeps nobody from holding it
            os.ftruncate(file.fileno(), 0)
            os.pwrite(file.fileno(), said.encode(), 0)
        self._said = _read(path)
        self._stop = beat(file)

    def lost(self) -> str:
        """Says who has taken it over, or what else was lost; empty as long as it is held."""
        if _read(self._path) != self._said or not _is_named(self._file.fileno(), self._path):
            by = held_by(self._path) or "another machine"
            return f"{by} has taken over, since this machine was not seen for too long"
        return self._lost_there()

    def refuse_lost(self) -> None:
        """Go no further where it is not held any more.

        Raises:
            LockLost: somebody else has it, or may have it.
        """
        if why := self.lost():
            raise LockLost(why)

    def release(self) -> None:
        """Let go of it."""
        self._stop()
        with contextlib.suppress(OSError):  # the file may be gone, and with it the lock
            release(self._file)


@contextlib.contextmanager
def hold(
    path: Path, words: str, server: ServerLock | None = None, meanwhile: Meanwhile = bool
) -> Iterator[Hold]:
    """Hold what a file stands for.

    Args:
        path: the lock file, made if need be.
        words: who holds it, for those that wait.
        server: a lock of the server that keeps the history, which is held besides.
        meanwhile: called while it waits; what it raises ends the wait.

    Raises:
        StoreError: the lock file cannot be made, or locks do not hold there.
    """
    refuse_loose_locks(path.parent)
    with contextlib.ExitStack() as held:
        lost = held.enter_context(server(meanwhile, lambda: is_abandoned(path))) if server else str
        file = acquire(path, meanwhile=_Breaking(path, meanwhile))
        assert file is not None
        with explained(path):
            one = Hold(path, file, words, lost)
        held.callback(one.release)
        yield one


def held_by(path: Path) -> str:
    """Returns who has held a lock last, in words; empty where nobody has said so."""
    return one_line(_read(path).partition("\n")[0], 500)


def is_abandoned(path: Path) -> bool:
    """Says whether a lock is held by a process of another machine that was not seen within the limit."""
    holder = Holder.of(_read(path).partition("\n")[2])
    if holder is None or holder.boot in ("", boot_id()) or liveness.alive(holder) != "unknown":
        return False
    return bool(silent([path]))


class _Breaking:
    """Takes a lock from a machine that is gone, while somebody waits for it."""

    def __init__(self, path: Path, meanwhile: Meanwhile) -> None:
        self._path, self._meanwhile, self._next = path, meanwhile, time.monotonic() + BEAT_S

    def __call__(self) -> None:
        self._meanwhile()
        if time.monotonic() < self._next:
            return
        before = _look(self._path)
        if is_abandoned(self._path):
            guard = acquire(self._path.with_name(".breaking"), wait=False)
            if guard is not None:
                try:
                    if before == _look(self._path):
                        self._path.unlink(missing_ok=True)
                finally:
                    release(guard)
        self._next = time.monotonic() + BEAT_S


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _look(path: Path) -> tuple[str, int, float] | None:
    """Returns what a lock file says, which file it is, and when it was touched."""
    with contextlib.suppress(OSError):
        found = path.stat()
        return _read(path), found.st_ino, found.st_mtime
    return None


def _is_named(descriptor: int, path: Path) -> bool:
    """Says whether an open file still has its name; the server is asked, not what is known of it here."""
    with contextlib.suppress(OSError):
        named = os.open(path, os.O_RDONLY)
        try:
            return os.path.samestat(os.fstat(named), os.fstat(descriptor))
        finally:
            os.close(named)
    return False
