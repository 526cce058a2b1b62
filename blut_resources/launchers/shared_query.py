"""Asks a scheduler once for all processes of a user on this machine: each trial of a sweep is one of them.

Whoever finds the newest answer too old asks, and the others wait for that. A failure is an answer too, or a
controller that is away would be asked by one after the other.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable
from hashlib import blake2b
from typing import Any, NamedTuple, TextIO

from blut_resources.files.private import open_file
from blut_resources.launchers.transport import NoAnswer
from blut_resources.leases.lease import LeaseError
from blut_resources.leases.place import place

FRESH_S = 2.0
"""Seconds for which an answer is everybody's: a scheduler is asked no more often, by however many."""
PATIENCE_S, POLL_S = 10.0, 0.02
"""Seconds for which another process is waited for that asks: one that was stopped never answers."""


class SharedAnswer(NamedTuple):
    """Holds an answer, and when it was asked for, by the monotonic clock."""

    text: str
    at: float


def shared(key: str, query: Callable[[], str]) -> SharedAnswer:
    """Returns what a query says, or has said a moment ago to another process.

    Args:
        key: tells the queries of one scheduler from those of others.

    Where another process has begun to ask, and is not done within `PATIENCE_S`, this one asks for itself.

    Raises:
        NoAnswer: the scheduler did not answer.
    """
    name = blake2b(key.encode(), digest_size=8).hexdigest()
    with contextlib.ExitStack() as held:
        try:
            fd = open_file(place() / f"query-{os.getuid()}-{name}", os.O_RDWR | os.O_CREAT)
            file = held.enter_context(os.fdopen(fd, "r+", encoding="utf-8", errors="replace"))
            _lock(file)
        except (LeaseError, OSError):
            at = time.monotonic()
            return SharedAnswer(query(), at)
        try:
            known = json.loads(file.read())
        except ValueError:
            known = {}
        if not 0 <= time.monotonic() - known.get("until", -FRESH_S) < FRESH_S:
            known = _asked(query)
            file.seek(0)
            file.truncate()
            json.dump(known, file)
            file.flush()
    if known["failed"]:
        raise NoAnswer(known["failed"])
    return SharedAnswer(known["text"], known["at"])


def _lock(file: TextIO) -> None:
    """Take the lock of a file. Raises OSError: another process has not let go of it in time."""
    ends = time.monotonic() + PATIENCE_S
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > ends:
                raise
        time.sleep(POLL_S)


def _asked(query: Callable[[], str]) -> dict[str, Any]:
    at, text, failed = time.monotonic(), "", ""
    try:
        text = query()
    except NoAnswer as error:
        failed = str(error) or "no answer"
    return {"at": at, "until": time.monotonic(), "text": text, "failed": failed}
