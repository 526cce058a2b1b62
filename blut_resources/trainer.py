"""Runs one payload process: frozen JSON in, events out, and nothing left behind when it ends.

Dagster's own Pipes reader parses half-written lines, dies of them and lets the step succeed; its client
signals one process and then gives up. Hence this one: complete lines only, in the thread of the step, the
whole process tree ended through a supervisor, and success only after the payload said ``done``.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.containment import supervisor
from blut_resources.payload import CONFIG_ENV

GRACE_S = float(os.environ.get("BLUT_GRACE_S", "10"))
"""Seconds between SIGTERM and SIGKILL: time for a payload to finish its checkpoint."""
POLL_S = 0.05
STDERR_TAIL = 4000


class PayloadFailed(Exception):
    """The payload did not reach ``done``; the message names the module and the cause."""


@dataclass(frozen=True)
class Payload:
    """What to run: a module and the contents of its frozen JSON."""

    module: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Path]
    out: Path
    work: Path
    fingerprint: str

    def frozen(self) -> dict[str, Any]:
        return {
            "schema": 1,
            "config": dict(self.config),
            "inputs": {name: str(path) for name, path in self.inputs.items()},
            "out": str(self.out),
            "work": str(self.work),
            "fingerprint": self.fingerprint,
        }


class MessageTail(dg.PipesMessageReader):
    """Hands over the complete lines of the message file, whenever it is pumped."""

    expected_writer_count = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, path: Path, on_event: Callable[[dict[str, Any]], None]) -> None:
        self._path, self._on_event = path, on_event
        self._buffer = b""
        self._handler: Any = None
        self._file: Any = None

    @contextlib.contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, str]]:
        self._path.touch()
        self._handler = handler
        with self._path.open("rb") as self._file:
            yield {"path": str(self._path)}

    def pump(self) -> None:
        """Handle every line that is complete by now."""
        *lines, self._buffer = (self._buffer + self._file.read()).split(b"\n")
        for line in lines:
            message = json.loads(line)
            if message["method"] == "report_custom_message":
                self._on_event(message["params"]["payload"])
            else:
                self._handler.handle_message(message)

    @property
    def torn(self) -> bytes:
        """What is left of a message that was never finished."""
        return self._buffer

    def no_messages_debug_text(self) -> str:
        return f"Messages were expected in {self._path}."


def run_payload(context: dg.AssetExecutionContext, payload: Payload) -> Iterator[dict[str, Any]]:
    """Run the payload to its end, yielding each event as it arrives; ``done`` is the last one.

    Raises:
        PayloadFailed: on a non-zero exit, a signal, a torn message, or exit 0 without ``done``.
    """
    events: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="blut-payload-") as scratch:
        config = Path(scratch, "config.json")
        config.write_text(json.dumps(payload.frozen(), indent=1))
        reader = MessageTail(Path(scratch, "messages"), events.append)
        with dg.open_pipes_session(context, dg.PipesEnvContextInjector(), reader) as session:
            environment = {**os.environ, **session.get_bootstrap_env_vars(), CONFIG_ENV: str(config)}
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
            with _process(payload.module, environment) as process:
                stderr = StderrTee(process)
                last: dict[str, Any] = {}
                for event in _events(process, reader, events, stderr):
                    last = event
                    yield event
                _demand_success(payload.module, process.returncode, reader.torn, last, stderr.tail)


class StderrTee:
    """Passes a process's standard error on and keeps its end for the failure message."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        self.fd = process.stderr.fileno()
        os.set_blocking(self.fd, False)
        self.tail = b""

    def pump(self) -> None:
        """Pass on what has been written by now."""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.fd, 1 << 16):
                self.tail = (self.tail + chunk)[-STDERR_TAIL:]
                os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, chunk)


def _events(
    process: subprocess.Popen[bytes], reader: MessageTail, events: list[dict[str, Any]], stderr: StderrTee
) -> Iterator[dict[str, Any]]:
    pidfd = os.pidfd_open(process.pid)
    try:
        ended = False
        while not ended:
            ended = pidfd in select.select([pidfd], [], [], POLL_S)[0]
            stderr.pump()
            reader.pump()
            while events:
                yield events.pop(0)
    finally:
        os.close(pidfd)
    process.wait()


def _demand_success(module: str, code: int, torn: bytes, last: Mapping[str, Any], stderr: bytes) -> None:
    if code:
        what = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
        raise PayloadFailed(f"{module}: {what}\n{stderr.decode(errors='replace')}".rstrip())
    if torn:
        raise PayloadFailed(f"{module}: exit status 0, but its last message is cut off ({len(torn)} bytes)")
    if last.get("event") != "done":
        raise PayloadFailed(f"{module}: exit status 0 without `done`; nothing it wrote is used")


@contextlib.contextmanager
def _process(module: str, env: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The supervised process; whatever happens inside, its tree is gone on leaving."""
    lifeline, held = os.pipe()
    command = [
        *(sys.executable, "-I", "-S", supervisor.__file__, str(lifeline), str(GRACE_S)),
        *(sys.executable, "-u", "-m", module),
    ]
    try:
        process = subprocess.Popen(
            command, env=env, pass_fds=[lifeline], stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(lifeline)
    try:
        yield process
    finally:
        os.close(held)
        process.wait()
        if process.stderr:
            process.stderr.close()
