"""Calls a web server that somebody else runs:
once, without redirects, to a deadline, for a bounded answer.

A server that sends a byte now and then keeps every time limit of a socket; and a redirect would take what the
call carries, such as a key, to a host that nobody named.
"""

import http.client
import socket
import threading
import urllib.error
import urllib.request
from contextlib import suppress
from typing import Any


class Redirected(OSError):
    """Says that the server points elsewhere, where nothing was sent."""


def call(request: urllib.request.Request, timeout_s: float, at_most: int) -> bytes:
    """Returns the body of the answer, of at most so many bytes, within so many seconds from now,
    names looked up too.

    Raises:
        Redirected: the server points elsewhere.
        urllib.error.HTTPError: it answered with a failure.
        TimeoutError: it did not answer in time.
        OSError: it cannot be reached, or its answer is longer.
        ValueError, http.client.HTTPException: the address or the answer makes no sense.
    """
    sockets: list[socket.socket] = []
    found: list[bytes | BaseException] = []
    work = threading.Thread(target=_work, args=(request, timeout_s, at_most, sockets, found), daemon=True)
    work.start()
    work.join(timeout_s)
    if work.is_alive():
        for one in sockets:  # whoever waits for it is woken, and the thread ends
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
        raise TimeoutError(f"no answer within {timeout_s:g} s")
    (result,) = found
    if isinstance(result, BaseException):
        raise result
    if len(result) > at_most:
        raise OSError(f"an answer of more than {at_most} bytes")
    return result


def _work(
    request: urllib.request.Request,
    timeout_s: float,
    at_most: int,
    sockets: list[socket.socket],
    found: list[bytes | BaseException],
) -> None:
    try:
        opener = urllib.request.build_opener(_NoRedirect, _Plain(sockets), _Secure(sockets))
        with opener.open(request, timeout=timeout_s) as answer:
            found.append(answer.read(at_most + 1))
    except BaseException as error:
        found.append(error)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        raise Redirected("it redirects to another address; name the one that answers")


def _noted(kind: type[http.client.HTTPConnection], sockets: list[socket.socket]) -> Any:
    class Noted(kind):
        def connect(self) -> None:
            super().connect()
            sockets.append(self.sock)

    return Noted


class _Plain(urllib.request.HTTPHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._kind = _noted(http.client.HTTPConnection, sockets)

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._kind, req)


class _Secure(urllib.request.HTTPSHandler):
    def __init__(self, sockets: list[socket.socket]) -> None:
        super().__init__()
        self._kind = _noted(http.client.HTTPSConnection, sockets)

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(self._kind, req)
