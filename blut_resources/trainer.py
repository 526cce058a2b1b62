"""Runs one payload process: frozen JSON in, events out, and nothing left behind when it ends.

Dagster's own Pipes reader parses half-written lines, dies of them and lets the step succeed; its client
signals one process and then gives up. Hence this one: complete lines only, in the thread of the step, the
whole process tree held in a unit of its own, and success only after the payload said ``done``.
"""

import contextlib
import json
import os
import select
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.containment import Limits, Outcome, Unit, attach, launch
from blut_resources.containment.backend import LOG
from blut_resources.leases import Lease
from blut_resources.payload import CONFIG_ENV

GRACE_S = float(os.environ.get("BLUT_GRACE_S", "10"))
"""Seconds between SIGTERM and SIGKILL: time for a payload to finish its checkpoint."""
POLL_S = 0.05
WATCH_S = 2.0
"""How often a step asks whether its run was marked as ended by someone else."""
LOG_TAIL = 4000
MESSAGES, CONFIG, CONSUMED = "messages", "config.json", "consumed"


class PayloadFailed(Exception):
    """The payload did not reach ``done``; the message names the module and the cause."""

    def __init__(self, message: str, outcome: Outcome) -> None:
        super().__init__(message)
        self.outcome = outcome


@dataclass(frozen=True)
class Payload:
    """What to run: a module, the contents of its frozen JSON, and what may hold it."""

    module: str
    config: Mapping[str, Any]
    inputs: Mapping[str, Path]
    out: Path
    work: Path
    fingerprint: str
    name: str = "payload"
    limits: Limits = field(default_factory=Limits)
    adopt: bool = False

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
    """Hands over the complete lines of the message file, whenever it is pumped.

    Events among the first ``skip`` lines were handed to an earlier owner of the payload.
    """

    expected_writer_count = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, path: Path, on_event: Callable[[dict[str, Any]], None], skip: int = 0) -> None:
        self._path, self._on_event = path, on_event
        self._skip, self.n_read = skip, 0
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
            self._handle(json.loads(line), old=self.n_read < self._skip)
            self.n_read += 1

    def _handle(self, message: dict[str, Any], old: bool) -> None:
        if message["method"] == "report_custom_message":
            if not old:
                self._on_event(message["params"]["payload"])
        elif not old or message["method"] in ("opened", "closed"):
            self._handler.handle_message(message)

    @property
    def torn(self) -> bytes:
        """What is left of a message that was never finished."""
        return self._buffer

    def no_messages_debug_text(self) -> str:
        return f"Messages were expected in {self._path}."


class LogTee:
    """Passes what a payload prints on to standard error and keeps its end for the failure message."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        self.tail = b""

    def pump(self) -> None:
        """Pass on what has been written by now."""
        while chunk := self._file.read(1 << 16):
            self.tail = (self.tail + chunk)[-LOG_TAIL:]
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, chunk)

    def close(self) -> None:
        self._file.close()


def run_payload(
    context: dg.AssetExecutionContext,
    payload: Payload,
    admit: Callable[[], AbstractContextManager[Lease | None]] = contextlib.nullcontext,
) -> Iterator[dict[str, Any]]:
    """Run the payload to its end, yielding each event as it arrives.

    Its last one is ``done``; after it comes ``ended``, of our own, with ``outcome`` and ``enforcement``.

    ``admit`` is entered before a process starts and left after the last one is gone. A payload of the same
    fingerprint that outlived its owner is taken over instead, where ``adopt`` says so: it has its lease.

    Raises:
        PayloadFailed: on any outcome but ok, a torn message, or exit 0 without ``done``.
        ContainmentRefused: if a limit is required that nothing enforces here.
        NeverFits: if ``admit`` says so.
    """
    events: list[dict[str, Any]] = []
    with contextlib.ExitStack() as held:
        place = _place(payload, held)
        orphan = attach(place) if payload.adopt else None
        reader = MessageTail(place / MESSAGES, events.append, _consumed(place) if orphan else 0)
        injector = dg.PipesEnvContextInjector()
        session = held.enter_context(dg.open_pipes_session(context, injector, reader))
        if orphan is None:
            lease = held.enter_context(admit())
            unit = _start(payload, place, session.get_bootstrap_env_vars(), lease)
        else:
            context.log.info(f"{payload.name}: taken over from a run that died; it was never interrupted")
            unit = orphan
        held.enter_context(unit)
        log = held.enter_context(contextlib.closing(LogTee(place / LOG)))
        if payload.limits.memory_max and not unit.enforcement.contained:
            context.log.warning(
                f"{payload.name}: its memory limit is not enforced: {unit.enforcement.reason}"
            )
        last: dict[str, Any] = {}
        for event in _events(context, unit, reader, events, log):
            last = event
            yield event
        outcome = unit.wait()
        _demand_success(payload.module, outcome, reader.torn, last, log.tail)
        yield {"event": "ended", "outcome": outcome, "enforcement": unit.enforcement}


def _place(payload: Payload, held: contextlib.ExitStack) -> Path:
    """The unit's directory; one that a later run can find where the payload may outlive this one."""
    if not payload.adopt:
        return Path(held.enter_context(tempfile.TemporaryDirectory(prefix="blut-payload-")))
    place = payload.work / "unit"
    if attach(place) is None:
        shutil.rmtree(place, ignore_errors=True)
    place.mkdir(mode=0o700, parents=True, exist_ok=True)
    held.callback(shutil.rmtree, place, ignore_errors=True)
    return place


def _start(payload: Payload, place: Path, bootstrap: Mapping[str, str], lease: Lease | None) -> Unit:
    config = place / CONFIG
    config.write_text(json.dumps(payload.frozen(), indent=1))
    env = {**os.environ, **bootstrap, CONFIG_ENV: str(config)}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
    env |= (lease.environment if lease else None) or {}
    return launch(
        [sys.executable, "-u", "-m", payload.module],
        env=env,
        cwd=Path.cwd(),
        limits=payload.limits,
        place=place,
        name=payload.name,
        grace_s=GRACE_S,
        on_orphan="adopt" if payload.adopt else "kill",
        lease=lease.path if lease else None,
    )


def _events(
    context: dg.AssetExecutionContext,
    unit: Unit,
    reader: MessageTail,
    events: list[dict[str, Any]],
    log: LogTee,
) -> Iterator[dict[str, Any]]:
    consumed, watched = 0, time.monotonic()
    ended = False
    while not ended:
        ended = bool(select.select([unit], [], [], POLL_S)[0])
        log.pump()
        reader.pump()
        while events:
            yield events.pop(0)
        if reader.n_read != consumed:
            consumed = reader.n_read
            _note_consumed(unit.place, consumed)
        if time.monotonic() > watched + WATCH_S:
            watched = time.monotonic()
            _end_with_the_run(context, unit)


def _end_with_the_run(context: dg.AssetExecutionContext, unit: Unit) -> None:
    """The UI can mark a run as cancelled without telling its process."""
    run = context.instance.get_run_by_id(context.run.run_id)
    if run is None or run.is_finished:
        unit.terminate()


def _demand_success(
    module: str, outcome: Outcome, torn: bytes, last: Mapping[str, Any], printed: bytes
) -> None:
    if not outcome.ok:
        text = printed.decode(errors="replace")
        raise PayloadFailed(f"{module}: {outcome.describe()}\n{text}".rstrip(), outcome)
    if torn:
        what = f"exit status 0, but its last message is cut off ({len(torn)} bytes)"
        raise PayloadFailed(f"{module}: {what}", outcome)
    if last.get("event") != "done":
        raise PayloadFailed(f"{module}: exit status 0 without `done`; nothing it wrote is used", outcome)


def _consumed(place: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int((place / CONSUMED).read_text())
    return 0


def _note_consumed(place: Path, count: int) -> None:
    """Kept for whoever takes the payload over; a torn count would only repeat events."""
    (place / CONSUMED).write_text(str(count))
