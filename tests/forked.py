"""Python commands in processes that have their slow imports already: they take seconds, and tests start many.

A server imports libraries and does nothing else; each command is forked from it, and imports what is the
project's own by itself, in its own environment. How an interpreter starts and ends, and that nothing depends
on its hash seed, which here is the server's, is for those tests to see that start one.
"""

import contextlib
import faulthandler
import functools
import gc
import importlib
import json
import os
import runpy
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN = (
    *("dagster", "dagster._cli", "dagster._core.storage.sqlite_storage", "dagster._core.workspace.load"),
    *("dagster._core.storage.local_compute_log_manager", "dagster._core.execution.execute_in_process"),
    "dagster._core.definitions.antlr_asset_selection.antlr_asset_selection",
    *("blake3", "dagster_pipes", "pynvml", "pyarrow.parquet", "typer", "upath", "watchdog.observers"),
)
"""What a run of a job, and the command line that starts it, import."""

CODEC = (
    *("torch", "torch._dynamo", "numba", "scipy.signal", "safetensors.torch", "constriction", "edfio"),
    "matplotlib.figure",
)
"""What payloads of the codec import."""


WHERE = signal.SIGUSR2
"""Has a forked process say where each of its threads is."""


class Forked:
    """A forked process; as much of `subprocess.Popen` as is used."""

    def __init__(self, server: "Server", pid: int, err: Path) -> None:
        self._server, self.pid, self._err = server, pid, err
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """As Popen's."""
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, 0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """As Popen's.

        Raises:
            subprocess.TimeoutExpired: it goes on; the message ends with where it is.
        """
        if self.returncode is None:
            self.returncode = self._server.ended(self.pid, timeout)
        if self.returncode is None:
            self.send_signal(WHERE)
            self._server.ended(self.pid, 1)  # it takes a moment to say
            said = self._err.read_text(errors="replace")[-8000:]
            raise subprocess.TimeoutExpired(f"forked process {self.pid}, which said {said}", timeout or 0)
        return self.returncode

    def send_signal(self, number: int) -> None:
        """As Popen's: nothing, where it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


class Server:
    """Forks commands; ends with the process that started it.

    Args:
        libraries: what it imports.
        account: ``user``, ``group`` and ``extra_groups`` of Popen, for commands of another user.
    """

    def __init__(self, *libraries: str, **account: Any) -> None:
        command = [sys.executable, __file__, *libraries]
        env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, env=env, stdin=pipe, stdout=pipe, start_new_session=True, **account
        )
        self._unread = b""
        self._started: list[int] = []
        self._ended: dict[int, int] = {}

    def start(
        self, words: list[str], env: Mapping[str, str], cwd: Path, out: Path, err: Path | None = None
    ) -> Forked:
        """Start what ``python WORDS`` would, in a session of its own.

        Args:
            words: ``-m`` and a module, or ``-c`` and code, and arguments.
            out: what it says is appended to this file, and what it complains of too without ``err``.
        """
        order = {"words": words, "env": dict(env), "cwd": str(cwd), "said": [str(out), str(err or out)]}
        assert self._process.stdin
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        while not self._started:
            self._listen(None)
        return Forked(self, self._started.pop(), err or out)

    def run(self, words: list[str], env: Mapping[str, str], cwd: Path) -> subprocess.CompletedProcess[str]:
        """What ``python WORDS`` ends with, and what it said."""
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("out", "err")]
            status = self.start(words, env, cwd, *files).wait()
            return subprocess.CompletedProcess(words, status, *(path.read_text() for path in files))

    def ended(self, pid: int, timeout: float | None) -> int | None:
        """The exit status of a process that has ended, or does within the time."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while pid not in self._ended:
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            if not self._listen(left):
                return None
        return self._ended[pid]

    def _listen(self, timeout: float | None) -> bool:
        """Whether the server said something within the time."""
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], timeout)
        if ready:
            piece = os.read(self._process.stdout.fileno(), 1 << 16)
            assert piece, "the server of forked processes has ended"
            *lines, self._unread = (self._unread + piece).split(b"\n")
            for line in lines:
                pid, *status = map(int, line.split())
                if status:
                    self._ended[pid] = status[0]
                else:
                    self._ended.pop(pid, None)  # of an earlier process
                    self._started.append(pid)
        return bool(ready)


@functools.cache
def server(*libraries: str) -> Server:
    """One server for each process of the suite."""
    return Server(*libraries)


def serve() -> dict[str, Any]:
    """Fork for every order that comes; returns in the forked process, with the order."""
    unread, running = b"", dict[int, int]()
    while True:
        ready, _, _ = select.select([0, *running], [], [])
        for pidfd in {*ready} & {*running}:
            pid = running.pop(pidfd)
            os.close(pidfd)
            _say(pid, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
        if 0 in ready:
            piece = os.read(0, 1 << 16)
            if not piece:
                sys.exit()
            *orders, unread = (unread + piece).split(b"\n")
            for order in orders:
                pid = os.fork()
                if not pid:
                    for pidfd in running:
                        os.close(pidfd)
                    return json.loads(order)
                running[os.pidfd_open(pid)] = pid
                _say(pid)


def _say(*numbers: int) -> None:
    os.write(1, f"{' '.join(map(str, numbers))}\n".encode())


def become(order: dict[str, Any], libraries: list[str]) -> None:
    """Make this process the one that was ordered, as an interpreter is when it has started."""
    os.setsid()
    faulthandler.register(WHERE)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path in enumerate((os.devnull, *order["said"])):
        opened = os.open(path, os.O_APPEND | os.O_CREAT | (os.O_WRONLY if number else os.O_RDONLY))
        os.dup2(opened, number)
        os.close(opened)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    sys.orig_argv = [sys.executable, *order["words"]]
    own = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    sys.path[:] = [order["cwd"], *own, *libraries]
    importlib.invalidate_caches()
    sys.modules.pop("sitecustomize", None)
    with contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")


def run(how: str, what: str, *arguments: str) -> None:
    """``python HOW WHAT ARGUMENTS``."""
    sys.argv = [what if how == "-m" else how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})


if __name__ == "__main__":
    del sys.path[0]  # where this file lies
    libraries = [*sys.path]
    for _name in sys.argv[1:]:
        importlib.import_module(_name)
    gc.freeze()
    _order = serve()
    become(_order, libraries)
    run(*_order["words"])
