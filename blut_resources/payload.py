"""The payload's side of the contract: read the frozen JSON, report events, finish with ``done``.

A payload is ``python -m cookbooks.X.payload.Y``. Blut starts it with the path of one frozen JSON file
and listens through the Dagster Pipes protocol; a person debugging runs the same command with
``--config FILE`` and sees the events as JSON lines. Only the standard library is imported, and little of it.

The frozen JSON::

    {"schema": 1, "fingerprint": "…", "config": {…}, "inputs": {"name": "/path"},
     "out": "/empty/directory", "work": "/directory/that/outlives/an/attempt"}
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path

# `typing`, `dataclasses`, `argparse` and dagster_pipes would double the start of a payload
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from traceback import TracebackException
    from typing import Any

    Send = Callable[[dict[str, Any]], None]

CONFIG_ENV = "BLUT_PAYLOAD_CONFIG"
PIPES_CONTEXT, PIPES_MESSAGES = "DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"


class PayloadSession:
    """What a payload may know, and the events it may send.

    ``out`` becomes the artifact. ``work`` is kept when the payload dies and is the same for the next
    attempt with the same fingerprint: checkpoints to resume from belong there.
    """

    def __init__(
        self,
        config: dict[str, Any],
        inputs: dict[str, Path],
        out: Path,
        work: Path,
        fingerprint: str,
        send: Send,
    ) -> None:
        self.config, self.inputs = config, inputs
        self.out, self.work = out, work
        self.fingerprint = fingerprint
        self._send = send

    def step(self, step: int, **values: float) -> None:
        """A unit of progress inside an epoch."""
        self._send({"event": "step", "step": step, "values": values})

    def epoch(self, epoch: int, **metrics: float) -> None:
        """The metrics of one finished epoch; each becomes a point in the UI's plots."""
        self._send({"event": "epoch", "epoch": epoch, "metrics": metrics})

    def checkpoint(self, epoch: int, path: Path) -> None:
        """A checkpoint that a later attempt can resume from is complete on disk."""
        self._send({"event": "checkpoint", "epoch": epoch, "path": str(path)})

    def artifact(self, name: str, path: Path, media_type: str) -> None:
        """A file to show beside the result, such as a picture; small images are embedded in the UI."""
        self._send({"event": "artifact", "name": name, "path": str(path), "media_type": media_type})

    def done(self, **facts: Any) -> None:
        """The result is complete in ``out``. Exit status 0 without this event is a failure."""
        self._send({"event": "done", "facts": facts})


@contextlib.contextmanager
def payload_session() -> Iterator[PayloadSession]:
    """Open the session described by ``--config FILE`` or the environment.

    Raises:
        SystemExit: if no configuration is given or it cannot be read.
    """
    path = _config_path()
    try:
        frozen = json.loads(Path(path).read_text())
        out, work = Path(frozen["out"]), Path(frozen["work"])
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"--config {path}: not a payload configuration: {error!r}") from error
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    inputs = {name: Path(value) for name, value in frozen["inputs"].items()}
    with _listener() as send:
        yield PayloadSession(frozen["config"], inputs, out, work, frozen["fingerprint"], send)


def _config_path() -> str:
    path = os.environ.get(CONFIG_ENV)
    if len(sys.argv) > 1:
        import argparse

        parser = argparse.ArgumentParser()
        parser.add_argument("--config", default=path, help="frozen JSON file")
        path = parser.parse_args().config
    if path is None:
        raise SystemExit("no configuration: pass --config FILE")
    return path


@contextlib.contextmanager
def _listener() -> Iterator[Send]:
    if PIPES_CONTEXT not in os.environ:
        yield lambda event: print(json.dumps(event), flush=True)
    elif path := _message_file():
        with _pipes(path) as send:
            yield send
    else:
        from dagster_pipes import open_dagster_pipes

        with open_dagster_pipes() as pipes:
            yield pipes.report_custom_message


def _message_file() -> str | None:
    """The file that the other side of the pipes reads; None if it listens on something else."""
    import binascii
    import zlib

    try:
        return json.loads(zlib.decompress(binascii.a2b_base64(os.environ[PIPES_MESSAGES]))).get("path")
    except (KeyError, ValueError, zlib.error):
        return None


@contextlib.contextmanager
def _pipes(path: str) -> Iterator[Send]:
    """Speak the Pipes protocol, one line of JSON a message; dagster_pipes is slower to import than Python."""

    def tell(method: str, params: dict[str, Any]) -> None:
        line = json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})
        with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123
            file.write(f"{line}\n")

    tell("opened", {"extras": {}})
    try:
        yield lambda event: tell("report_custom_message", {"payload": event})
    except BaseException as error:
        from traceback import TracebackException

        tell("closed", {"exception": _described(TracebackException.from_exception(error))})
        raise
    tell("closed", {})


def _described(error: TracebackException) -> dict[str, Any]:
    return {
        "message": "".join(error.format_exception_only()),
        "stack": error.stack.format(),
        "name": error.exc_type.__name__ if error.exc_type else None,
        "cause": _described(error.__cause__) if error.__cause__ else None,
        "context": _described(error.__context__) if error.__context__ else None,
    }
