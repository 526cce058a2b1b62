"""Which errors may pass by themselves, as libraries raise them: wrapped, and with what a server asks for."""

import email.message
import errno
import http.client
import io
import os
import socket
import ssl
import time
import urllib.error
from email.utils import formatdate

import pytest

from blut_resources.files.passing import may_pass
from blut_resources.leases.place import LeaseError
from blut_resources.payload_kit.pinned import AWAY, BuildError, IndexAway
from blut_resources.payload_kit.refuse import Refused


def answer(status: int, after: str = "") -> urllib.error.HTTPError:
    headers = email.message.Message()
    if after:
        headers["Retry-After"] = after
    return urllib.error.HTTPError("http://x", status, "no", headers, io.BytesIO())


def of(code: int) -> OSError:
    return OSError(code, os.strerror(code))


def wrapped(error: BaseException, around: Exception, *, plainly: bool = False) -> Exception:
    """Raised from another error, or while that is handled."""
    try:
        try:
            raise error
        except BaseException as inner:
            if plainly:
                raise around from None
            raise around from inner
    except Exception as found:
        return found


def library(name: str, module: str, **fields: object) -> Exception:
    """An error of a library that need not be installed."""
    error = type(name, (OSError,), {"__module__": module, **fields})
    return error("not reached")


class Response:
    def __init__(self, status_code: int) -> None:
        self.status_code, self.headers = status_code, {"Retry-After": "3"}


PASSES = {
    "refused": (of(errno.ECONNREFUSED), "network"),
    "by urllib": (urllib.error.URLError(of(errno.EHOSTUNREACH)), "network"),
    "of several tasks": (ExceptionGroup("2 tasks", [of(errno.ECONNRESET), TimeoutError()]), "network"),
    "slow": (TimeoutError("timed out"), "network"),
    "server away": (answer(503), "network"),
    "too many": (answer(429), "network"),
    "name server away": (urllib.error.URLError(socket.gaierror(socket.EAI_AGAIN, "later")), "network"),
    "cut off": (http.client.IncompleteRead(b""), "network"),
    "hung up": (http.client.RemoteDisconnected("no answer"), "network"),
    "half a handshake": (ssl.SSLEOFError(8, "eof"), "network"),
    "requests": (library("ConnectTimeout", "requests.exceptions"), "network"),
    "httpx": (library("ReadError", "httpx"), "network"),
    "hub": (library("HfHubHTTPError", "hub.errors", response=Response(502)), "network"),
    "told": (wrapped(of(errno.ECONNRESET), Refused("no model")), "network"),
    "pip": (IndexAway("not reached"), "network"),
    "lock": (wrapped(of(errno.ENOLCK), LeaseError("no lock")), "lock"),
    "full": (wrapped(of(errno.ENOSPC), LeaseError("full")), "full-disk"),
}
STAYS = {
    "one of several tasks": ExceptionGroup("2 tasks", [of(errno.ECONNRESET), answer(404)]),
    "not there": answer(404),
    "key": answer(401),
    "told": wrapped(answer(404), Refused("no model")),
    "hub": library("RepositoryNotFoundError", "hub.errors", response=Response(404)),
    "no such name": urllib.error.URLError(socket.gaierror(socket.EAI_NONAME, "unknown")),
    "certificate": urllib.error.URLError(ssl.SSLCertVerificationError(1, "self-signed")),
    "digest": BuildError("SHA-256 is a, not b"),
    "refused input": Refused("no such column"),
    "on purpose": wrapped(of(errno.ECONNRESET), ValueError("another"), plainly=True),
    "may not": PermissionError(errno.EACCES, "no"),
    "pipe": BrokenPipeError(errno.EPIPE, "pipe"),
    "memory": MemoryError(),
    "number": ValueError("loss is nan"),
}


@pytest.mark.parametrize("name", PASSES)
def test_what_may_pass(name: str) -> None:
    error, cause = PASSES[name]
    found = may_pass(error)
    assert found and found.cause == cause


@pytest.mark.parametrize("name", STAYS)
def test_what_somebody_has_to_mend(name: str) -> None:
    assert may_pass(STAYS[name]) is None


def test_what_a_server_asks_for_is_a_number_of_seconds_or_a_date() -> None:
    found = may_pass(answer(429, "30"))
    assert found and found.after_s == 30
    found = may_pass(answer(503, formatdate(time.time() + 60, usegmt=True)))
    assert found and 55 < found.after_s <= 61
    for odd in ("soon", "-3", formatdate(0.0, usegmt=True)):
        assert (found := may_pass(answer(503, odd))) and found.after_s == 0


@pytest.mark.parametrize(
    ("said", "away"),
    [
        ("Failed to establish a new connection: [Errno 111] Connection refused", True),
        ("HTTPError: 503: ERROR: HTTP error 503 while getting", True),
        ("ERROR: Could not find a version that satisfies the requirement", False),
        ("[Errno -2] Name or service not known", False),
        ("ERROR: HTTP error 404 while getting", False),
    ],
)
def test_what_pip_says_of_an_index_that_was_not_reached(said: str, away: bool) -> None:
    assert bool(AWAY.search(said)) == away
