"""A bucket of the tests: moto's S3 server in a process of its own, and a wire to it that can be cut."""

import contextlib
import http.client
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

KEYS = {"AWS_ACCESS_KEY_ID": "tests", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1"}


class Server(NamedTuple):
    """Holds where a server listens."""

    port: int

    @property
    def variables(self) -> dict[str, str]:
        """Returns what a user exports to reach it."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self.port}"}

    def asks(self, method: str, path: str, body: bytes = b"") -> bytes:
        """Returns what it answers to one plain request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, path, body)
            answer = connection.getresponse()
            content = answer.read()
            assert answer.status < 300, (answer.status, content)
            return content


@contextlib.contextmanager
def moto() -> Iterator[Server]:
    """Run a server with one bucket, ``bucket``, until the end."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        server, patience = Server(port), time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                server.asks("PUT", "/bucket")
                break
            assert time.monotonic() < patience and process.poll() is None, "moto's server does not start"
            time.sleep(0.05)
        yield server
    finally:
        process.kill()
        process.wait()


class Wire:
    """Carries bytes to a server, and is cut when it has carried so many one way.

    Attributes:
        up, down: bytes after which the next connections are cut, of requests and of answers; None for never.
        cuts: how many connections are cut then; those after them work.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._lock = server, threading.Lock()
        self._listens = socket.create_server(("127.0.0.1", 0))
        self.up: int | None = None
        self.down: int | None = None
        self.cuts = 0
        self.n_cut = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def variables(self) -> dict[str, str]:
        """Returns what a user exports to reach the server through it."""
        return {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._listens.getsockname()[1]}"}

    def close(self) -> None:
        """Let nobody in any more."""
        self._listens.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listens.accept()
                far = socket.create_connection(("127.0.0.1", self._server.port))
                for one, other, limit in ((near, far, "up"), (far, near, "down")):
                    threading.Thread(target=self._carry, args=(one, other, limit), daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket, limit: str) -> None:
        carried = 0
        with contextlib.suppress(OSError):
            while data := one.recv(1 << 16):
                carried += len(data)
                if self._cuts(carried, getattr(self, limit)):
                    break
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def _cuts(self, carried: int, allowed: int | None) -> bool:
        with self._lock:
            if allowed is None or carried <= allowed or self.n_cut >= self.cuts:
                return False
            self.n_cut += 1
            return True
