"""The payload's side of the contract: read the frozen JSON, report events, finish with ``done``.

A payload is ``python -m cookbooks.X.payload.Y``. Blut starts it with the path of one frozen JSON file
and listens through dagster-pipes; a person debugging runs the same command with ``--config FILE`` and
sees the events as JSON lines. Only the standard library and dagster_pipes are imported here.

The frozen JSON::

    {"schema": 1, "fingerprint": "…", "config": {…}, "inputs": {"name": "/path"},
     "out": "/empty/directory", "work": "/directory/that/outlives/an/attempt"}
"""

import argparse
import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CONFIG_ENV = "BLUT_PAYLOAD_CONFIG"


@dataclass(frozen=True)
class PayloadSession:
    """What a payload may know, and the events it may send.

    ``out`` becomes the artifact. ``work`` is kept when the payload dies and is the same for the next
    attempt with the same fingerprint: checkpoints to resume from belong there.
    """

    config: dict[str, Any]
    inputs: dict[str, Path]
    out: Path
    work: Path
    fingerprint: str
    _send: Any

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
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", default=os.environ.get(CONFIG_ENV), help="frozen JSON file")
    path = parser.parse_args().config
    if path is None:
        raise SystemExit("no configuration: pass --config FILE")
    try:
        frozen = json.loads(Path(path).read_text())
        out, work = Path(frozen["out"]), Path(frozen["work"])
    except (OSError, ValueError, KeyError) as error:
        raise SystemExit(f"--config {path}: not a payload configuration: {error!r}") from error
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    inputs = {name: Path(value) for name, value in frozen["inputs"].items()}

    def session(send: Any) -> PayloadSession:
        return PayloadSession(frozen["config"], inputs, out, work, frozen["fingerprint"], send)

    if "DAGSTER_PIPES_CONTEXT" not in os.environ:
        yield session(lambda event: print(json.dumps(event), file=sys.stdout, flush=True))
        return
    from dagster_pipes import open_dagster_pipes

    with open_dagster_pipes() as pipes:
        yield session(pipes.report_custom_message)
