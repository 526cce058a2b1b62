"""Serves Dagster's UI and daemon in this process, behind a guard; the one port or socket is the guard's.

`dagster dev` starts a web server that asks nobody who they are. Here its application is called in process, so
there is no second port; the code server listens on a Unix socket in a directory that is only this user's.
"""

import logging
import os
import secrets
import shutil
import signal
import socket
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dagster as dg
import uvicorn

from blut_resources.dagster_private.serving import application, daemons, loaded
from blut_resources.files.address import is_plain
from blut_resources.machine.flag import Flag
from blut_resources.ui.guard import TOKEN, Guard

ENDS_WITHIN_S = 5
CHECK_S = 5.0
"""How often it is asked whether the daemon is at work; without it the UI ends too."""
SOCKET_NAME = 40
"""Characters that the name of a code server's socket takes, of the 107 that its path may have."""


class CannotListen(OSError):
    """Says that the address cannot be listened on, why, and the remedy."""


def serve(
    instance: dg.DagsterInstance,
    listener: socket.socket,
    own: tuple[str, str],
    workspace: Sequence[Path] = (),
    hosts: Sequence[str] = (),
    ready: Callable[[str], None] = lambda token: None,
) -> None:
    """Serve the UI and run the daemon until SIGINT, SIGTERM or SIGHUP; then end what was started.

    Args:
        listener: a bound socket.
        own: a module with definitions, and the name of its code location.
        workspace: Dagster's files of code locations; that module without one.
        hosts: names under which it may be asked for besides those of the loopback.
        ready: called with the token when the definitions are loaded and requests are taken.
    """
    token, stop = secrets.token_urlsafe(32), Flag()
    _log_to_stderr()
    with ExitStack() as held:
        held.enter_context(_ended_by_signals(stop))
        held.enter_context(_private_sockets())
        context = held.enter_context(loaded(instance, workspace, *own))
        held.enter_context(_listening(Guard(application(context), token, hosts), listener, stop))
        controller = held.enter_context(daemons(context))
        ready(token)
        while not stop.wait(CHECK_S):
            controller.check_daemon_threads()


def link(listener: socket.socket, token: str) -> str:
    """Returns where to point a browser at; a Unix socket has a path in place of host and port."""
    if listener.family == socket.AF_UNIX:
        return f"{listener.getsockname()} (http://localhost/?{TOKEN}={token} through it)"
    host, port = listener.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/?{TOKEN}={token}"


def listen(host: str, port: int) -> socket.socket:
    """Returns a TCP socket to be served on; port 0 takes any.

    Raises:
        CannotListen: the port is taken, or the address is not this machine's.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen()
    except OSError as error:
        where = f"--host {host} --port {port}"
        raise CannotListen(f"{where}: {error.strerror}; take another with --port") from None
    return listener


def listen_at(path: Path) -> socket.socket:
    """Returns a Unix socket that only this user can connect to; one that a dead process left gives way.

    Raises:
        CannotListen: something else has the name, or a living process listens there.
    """
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(0o177)
    try:
        if path.exists() and stat.S_ISSOCK(path.lstat().st_mode) and not _answers(path):
            path.unlink()
        listener.bind(str(path))
        listener.listen()
    except OSError as error:
        raise CannotListen(f"--socket {path}: {error.strerror or error}; give another path") from None
    finally:
        os.umask(before)
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as asked:
        return asked.connect_ex(str(path)) == 0


@contextmanager
def _ended_by_signals(stop: Flag) -> Iterator[None]:
    hangs_up = signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN  # as `nohup` leaves it
    numbers = (signal.SIGINT, signal.SIGTERM, *((signal.SIGHUP,) if hangs_up else ()))
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _private_sockets() -> Iterator[None]:
    """Let Dagster put the code server's socket into a private directory:
    it takes the one of temporary files.
    """
    bases = (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp")
    short = [base for base in bases if base and is_plain(base) and len(base) + SOCKET_NAME < 107]
    fits = next(base for base in short if os.access(base, os.W_OK))
    before, tempfile.tempdir = tempfile.tempdir, tempfile.mkdtemp(prefix="blut-ui-", dir=fits)
    try:
        yield
    finally:
        shutil.rmtree(tempfile.tempdir, ignore_errors=True)
        tempfile.tempdir = before


@contextmanager
def _listening(app: Guard, listener: socket.socket, stop: Flag) -> Iterator[None]:
    """Serve in a thread: there uvicorn leaves the signals alone. Its own log would have the link in it."""
    config = uvicorn.Config(app, access_log=False, log_level="warning", server_header=False)
    config.timeout_graceful_shutdown = ENDS_WITHIN_S
    server = uvicorn.Server(config)
    path = listener.getsockname() if listener.family == socket.AF_UNIX else ""

    def run() -> None:
        try:
            server.run(sockets=[listener])
        finally:
            stop.set()

    thread = threading.Thread(target=run, name="blut-ui")
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
        if path:
            Path(path).unlink(missing_ok=True)


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(levelname)s: %(message)s"))
    for name in ("dagster", "dagster-webserver"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(logging.INFO)
