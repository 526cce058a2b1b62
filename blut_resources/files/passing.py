"""Tells errors whose cause may pass by itself: a network that is away, a lock that is not had, a full disk,
a node of a cluster that was lost.

What somebody has to mend is none of them: a name that does not exist, a request that is refused (401, 404), a
certificate, a digest that differs. Libraries wrap errors in errors of their own, so that the whole chain is
looked at, and one that has to be mended decides. Only the standard library is imported: a payload asks here.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import time

from blut_resources.files.full import CAUSE as FULL_DISK
from blut_resources.files.full import is_full

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

NETWORK, LOCK, NODE = "network", "lock", "node"
CAUSES = (NETWORK, LOCK, FULL_DISK, NODE)
AWAY = {
    *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT, errno.EHOSTUNREACH),
    *(errno.ENETUNREACH, errno.ENETDOWN, errno.ENETRESET, errno.EHOSTDOWN),
}
LOCKS = {errno.ENOLCK, errno.EDEADLK, errno.ESTALE}
"""What a network file system says that has lost its server, or its locks, for a while."""
NOT_FOUND = {socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)}
"""A name that does not exist stays away; a name server that does not answer says something else."""
BUSY = {408, 425, 429}
LIBRARIES = frozenset({"requests", "urllib3", "httpx", "httpcore", "aiohttp", "http"})
NAMES = ("ConnectionError", "ConnectError", "Timeout", "ReadError", "WriteError", "ProtocolError")
"""How the errors of those libraries end that say that a connection was not had, or was lost."""
LOST = ("ChunkedEncodingError", "IncompleteRead", "RemoteDisconnected", "ServerDisconnectedError")
MESSAGE = 500


class Passing:
    """Says that the cause of an error may pass by itself.

    Attributes:
        cause: one of `CAUSES`.
        said: the error, in one line.
        after_s: seconds before which a server wants no other attempt; 0 if it says nothing.
    """

    def __init__(self, cause: str, said: str, after_s: float = 0.0) -> None:
        self.cause, self.said, self.after_s = cause, said, after_s


def may_pass(error: BaseException) -> Passing | None:
    """Returns the cause of an error that may pass by itself; None where somebody has to mend something.

    An error can say so itself: by one of `CAUSES` as its ``passes``.
    """
    found = [_look(one) for one in _chain(error)]
    if any(one is False for one in found):
        return None
    if is_full(error):
        return Passing(FULL_DISK, _line(error))
    return next((one for one in found if isinstance(one, Passing)), None)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yields an error and what it was raised from, or while handling what."""
    seen: set[int] = set()
    left: list[Any] = [error]
    while left:
        one = left.pop()
        if not isinstance(one, BaseException) or id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        left += [one.__cause__ or (None if one.__suppress_context__ else one.__context__)]
        left += [getattr(one, "reason", None), *one.args]  # urllib and urllib3 keep it there
        if isinstance(one, BaseExceptionGroup):  # of tasks that ran at the same time
            left += one.exceptions


def _look(error: BaseException) -> Passing | bool:
    """Returns what one error of a chain says; False if it does not pass, True if it says nothing."""
    if (own := getattr(error, "passes", "")) in CAUSES:
        return Passing(own, _line(error))
    if (status := _status(error)) is not None:
        return Passing(NETWORK, _line(error), _after(error)) if status in BUSY or status >= 500 else False
    if isinstance(error, socket.gaierror):
        return False if error.errno in NOT_FOUND else Passing(NETWORK, _line(error))
    kind = type(error)
    if kind.__module__ == "ssl":
        return False if "Cert" in kind.__name__ else Passing(NETWORK, _line(error))
    if isinstance(error, TimeoutError) or (isinstance(error, OSError) and error.errno in AWAY):
        return Passing(NETWORK, _line(error))
    if isinstance(error, OSError) and error.errno in LOCKS:
        return Passing(LOCK, _line(error))
    if kind.__module__.partition(".")[0] in LIBRARIES and kind.__name__.endswith((*NAMES, *LOST)):
        return Passing(NETWORK, _line(error))
    return True


def _status(error: BaseException) -> int | None:
    """Returns the status of an HTTP answer that an error stands for, as urllib and its like keep it."""
    answer = getattr(error, "response", None)
    for status in (getattr(answer, "status_code", None), *_codes(error)):
        if isinstance(status, int) and 400 <= status < 600:
            return status
    return None


def _codes(error: BaseException) -> tuple[Any, ...]:
    named = type(error).__name__ in ("HTTPError", "ClientResponseError")
    return (getattr(error, "code", None), getattr(error, "status", None)) if named else ()


def _after(error: BaseException) -> float:
    """Returns the seconds that an answer asks to wait, by ``Retry-After``: a number, or a date."""
    answer: Any = getattr(error, "response", None) or error
    text = str((getattr(answer, "headers", None) or {}).get("Retry-After") or "").strip()
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        if text.isdecimal():
            return float(text)
        if text:
            from email.utils import parsedate_to_datetime

            return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    return 0.0


def _line(error: BaseException) -> str:
    said = (str(error).strip() or "no words").splitlines()[0]
    return f"{type(error).__name__}: {said}"[:MESSAGE]
