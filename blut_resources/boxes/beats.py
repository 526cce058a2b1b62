"""Shows to other machines that a process lives, by the time of a file that it touches every two seconds.

Such a time is the file server's, and it is compared with that of a file that is written now: no clock of
another machine is ever compared with this one's.
"""

# What a beat proves, and what not: one that is new proves life. One that is old proves nothing of a process
# that this kernel can see (it may be stopped, or its disk may hang), so of those `liveness` alone decides. Of
# a process of another machine nothing else is known; after the limit its run is marked as failed, and what it
# holds may be taken over, but nothing of it is ended or deleted, and whoever takes over works where the other
# one does not write. If it comes back, it finds that out before it says what it has made.
#
# A time that looks old is looked at twice, two beats apart: a server's clock that was set looks the same.

import contextlib
import os
import threading
import time
import weakref
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Protocol

from blut_resources.files.durable import random_name
from blut_resources.machine.amounts import parse_duration
from blut_resources.settings import settings

BEAT_S = 2.0
"""Seconds between two beats."""
LIMIT, LIMIT_S = "BLUT_UNSEEN_LIMIT", 300.0
"""The variable for how long a machine may be unseen, and its default in seconds."""


class Open(Protocol):
    """Stands for a file that is open."""

    def fileno(self) -> int:
        """Returns its descriptor."""
        ...


_beating = weakref.WeakSet[Open]()
_changes = threading.Lock()
_begun = False


def limit_s() -> float:
    """Returns for how many seconds another machine may be unseen before it counts as gone.

    Raises:
        LimitsError: $BLUT_UNSEEN_LIMIT is not a duration.
    """
    said = settings().get(LIMIT)
    return parse_duration(said, f"${LIMIT}") if said else LIMIT_S


def beat(file: Open) -> Callable[[], None]:
    """Keep an open file touched from now on; returns what ends that, to be called before it is closed."""
    global _begun
    _touch(file)
    with _changes:
        _beating.add(file)
        if not _begun:
            _begun = True
            threading.Thread(target=_go_on, name="blut-beats", daemon=True).start()

    def stop() -> None:
        with _changes:
            _beating.discard(file)

    return stop


def _go_on() -> None:
    global _begun
    while True:
        time.sleep(BEAT_S)
        with _changes:
            for file in _beating:
                _touch(file)
            if not _beating:  # a process that has let go of all may fork
                _begun = False
                return


def _begin_anew() -> None:
    """Let a forked process beat for what it holds itself: a parent that is dead must not look alive by it."""
    global _begun, _changes
    _beating.clear()
    _begun, _changes = False, threading.Lock()


os.register_at_fork(after_in_child=_begin_anew)


def _touch(file: Open) -> None:
    with contextlib.suppress(OSError, ValueError):  # another machine may have replaced it, or it was closed
        os.utime(file.fileno())


def server_time(directory: Path) -> float | None:
    """Returns what time it is for whoever keeps a directory, in seconds since 1970.

    None where this process cannot write there.
    """
    probe = directory / f".clock-{random_name()}"
    with contextlib.suppress(OSError):
        descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
            probe.unlink(missing_ok=True)
    return None


def age_s(path: Path) -> float | None:
    """Returns the seconds since a file was touched; None if it is not there, or nobody can tell."""
    touched, now = _last(path), server_time(path.parent)
    return None if now is None or touched is None else max(0.0, now - touched)


def silent(paths: Collection[Path]) -> set[Path]:
    """Returns the files that were not touched within the limit, and are not now; that takes two beats."""
    late = {path: _last(path) for path in paths if (age := age_s(path)) is not None and age > limit_s()}
    if late:
        time.sleep(2 * BEAT_S)
    return {path for path, touched in late.items() if touched is not None and _last(path) == touched}


def _last(path: Path) -> float | None:
    """Returns the time of a file, as its server has it: what is only known of it here may be a minute old."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return os.fstat(descriptor).st_mtime
        finally:
            os.close(descriptor)
    return None
