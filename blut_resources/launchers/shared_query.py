"""Asks a scheduler once for all processes of a user on this machine: each trial of a sweep is one of them.

Whoever finds the newest answer too old asks, and the others wait for that. A failure is an answer too, or a
controller that is away would be asked by one after the other.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable
from contextlib import closing
from hashlib import blake2b
from typing import Any, NamedTuple

from blut_resources.files.private import open_file
from blut_resources.launchers.transport import NoAnswer
from blut_resources.leases.lease import LeaseError
from blut_resources.leases.place import place

FRESH_S = 2.0
"""Seconds for which an answer is everybody's: a scheduler is asked no more often, by however many."""


class SharedAnswer(NamedTuple):
    """Holds an answer, and when it was asked for, by the monotonic clock."""

    text: str
    at: float


def shared(key: str, query: Callable[[], str]) -> SharedAnswer:
    """Returns what a query says, or has said a moment ago to another process.

    Args:
        key: tells the queries of one scheduler from those of others.

    Raises:
        NoAnswer: the scheduler did not answer.
    """
    name = blake2b(key.encode(), digest_size=8).hexdigest()
    try:
        fd = open_file(place() / f"query-{os.getuid()}-{name}", os.O_RDWR | os.O_CREAT)
    except (LeaseError, OSError):
        at = time.monotonic()
        return SharedAnswer(query(), at)
    with closing(os.fdopen(fd, "r+", encoding="utf-8", errors="replace")) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
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


def _asked(query: Callable[[], str]) -> dict[str, Any]:
    at, text, failed = time.monotonic(), "", ""
    try:
        text = query()
    except NoAnswer as error:
        failed = str(error) or "no answer"
    return {"at": at, "until": time.monotonic(), "text": text, "failed": failed}
