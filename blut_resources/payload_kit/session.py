"""Keeps the payload's side of the contract: read the frozen JSON, report events, finish with ``done``.

A payload is ``python -m cookbooks.X.payload.Y``. Blut starts it with the path of one frozen JSON file
and listens through the Dagster Pipes protocol; a person debugging runs the same command with
``--config FILE`` and sees the events as JSON lines. Only the standard library is imported, and little of it.

The frozen JSON::

    {"schema": 1, "fingerprint": "…", "config": {…}, "inputs": {"name": "/path"},
     "out": "/empty/directory", "work": "/directory/that/outlives/an/attempt",
     "watch": {"on_divergence": "stop", "divergence_factor": null}}
"""

from __future__ import annotations

import contextlib
import errno
import json
import math
import os
import sys
import time
from pathlib import Path

from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.values import plain_values

# `typing`, `dataclasses`, `argparse` and dagster_pipes would double the start of a payload
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from traceback import TracebackException
    from typing import Any

    from blut_resources.payload_kit.held_files import HeldFiles

    Send = Callable[[dict[str, Any]], None]

CONFIG_ENV = "BLUT_PAYLOAD_CONFIG"
FROZEN = {"fingerprint": str, "config": dict, "inputs": dict, "out": str, "work": str}
LOWEST = "lowest-loss"
EVENT = "report_custom_message"
"""The method of the Pipes protocol that carries an event."""
SESSION = "blut"
"""The word by which the other side knows that all that follows are events."""
MESSAGE_MAX = 4 << 20
"""Bytes of one message; whoever reads them takes no longer one."""
PIPES_CONTEXT, PIPES_MESSAGES = "DAGSTER_PIPES_CONTEXT", "DAGSTER_PIPES_MESSAGES"


class Diverged(Exception):
    """Says that a loss is not a number any more, or runs away:
    an end of its own kind, without a stack trace.
    """


class PayloadSession:
    """Tells a payload what it may know, and sends its events.

    ``out`` becomes the artifact. ``work`` is kept when the payload dies and is the same for the next
    attempt with the same fingerprint: checkpoints to resume from belong there.

    Losses, which are the values named ``loss`` or ``…_loss``, are watched: `step` and `epoch` raise
    `Diverged` for one that is not finite. With a ``divergence_factor`` in ``watch``, so does an epoch whose
    ``loss`` is above so many times the lowest one before it, also of earlier attempts. ``on_divergence:
    report`` only says it.
    """

    def __init__(
        self,
        config: dict[str, Any],
        inputs: dict[str, Path],
        out: Path,
        work: Path,
        fingerprint: str,
        send: Send,
        watch: dict[str, Any] | None = None,
        held: HeldFiles | None = None,
        outside: dict[str, Any] | None = None,
    ) -> None:
        self.config, self.inputs = config, inputs
        self.out, self.work = out, work
        self.fingerprint = fingerprint
        self._send, self._watch = send, watch or {}
        self._reported = False
        self._held, self._outside = held, outside or {}

    def digests(self, name: str) -> dict[str, str]:
        """Returns the digests of an input's files that lie outside the store, by relative name.

        They are those that the input was named by, so that nobody has to read a file to know it again. An
        input in the store has none.
        """
        files = self._outside.get(name, {}).get("files", {})
        return {relative: digest for relative, (_size, digest, _stamp) in files.items()}

    def step(self, step: int, *, of: int | None = None, share: float | None = None, **values: Any) -> None:
        """Report a unit of progress.

        Args:
            step: how many are done.
            of: how many there will be in all, where that is known.
            share: of the whole work that is done, 0 to 1, where steps are unlike; the time left is from it.
            values: what is worth seeing beside; ``doing`` is what it is a step of, in words for a person.
        """
        known = {name: value for name, value in (("of", of), ("share", share)) if value is not None}
        known_values = plain_values(values)
        self._send({"event": "step", "step": step, **known, "values": known_values})
        self._refuse_no_number(f"step {step}", known_values)

    def epoch(self, epoch: int, *, step: int | None = None, phase: str = "train", **metrics: Any) -> None:
        """Report the metrics of one finished epoch, a row of its table; each number is a point in the UI's
        plots.

        ``epoch`` is how many are finished, 0 for what is measured before the first; ``step`` is the number of
        steps by then, ``phase`` a word for the part of the training. A metric may be anything: an array or a
        tensor of one element is its number, what is neither number, bool, None nor text is said as a text.
        """
        known = plain_values(metrics)
        self._send({"event": "epoch", "epoch": epoch, "step": step, "phase": phase, "metrics": known})
        self._refuse_no_number(f"epoch {epoch}", known)
        self._refuse_runaway(epoch, known.get("loss"))

    def checkpoint(self, epoch: int, path: Path) -> None:
        """Report that a checkpoint that a later attempt can resume from is complete on disk."""
        self._send({"event": "checkpoint", "epoch": epoch, "path": str(path)})

    def artifact(self, name: str, path: Path, media_type: str) -> None:
        """Show a file beside the result, such as a picture; small images are embedded in the UI."""
        self._send({"event": "artifact", "name": name, "path": str(path), "media_type": media_type})

    def done(self, **facts: Any) -> None:
        """Report that the result is complete in ``out``. Exit status 0 without this event is a failure.

        Raises:
            SystemExit: if an input outside the store has been written to meanwhile.
        """
        if self._held:
            self._held.refuse_changed()
        self._send({"event": "done", "facts": facts})

    def diverged(self, message: str) -> None:
        """Report, once, that the training has diverged."""
        if not self._reported:
            self._reported = True
            self._send({"event": "diverged", "message": message})

    def _refuse_no_number(self, when: str, values: dict[str, Any]) -> None:
        for name, value in values.items():
            is_loss = name == "loss" or name.endswith("_loss")
            if is_loss and isinstance(value, float) and not math.isfinite(value):
                self._stop(f"{when}: {name} is {value}")

    def _refuse_runaway(self, epoch: int, loss: Any) -> None:
        factor = self._watch.get("divergence_factor")
        if factor is None or not isinstance(loss, int | float):
            return
        kept = self.work / LOWEST
        lowest = float(kept.read_text()) if kept.exists() else math.inf
        if loss > factor * lowest > 0:
            what = f"loss is {loss:.4g}, more than {factor:g} times its lowest of {lowest:.4g}"
            self._stop(f"epoch {epoch}: {what} (divergence_factor)")
        if loss < lowest and not rank():
            unfinished = kept.with_suffix(".tmp")
            unfinished.write_text(repr(float(loss)))
            unfinished.replace(kept)

    def _stop(self, message: str) -> None:
        if self._watch.get("on_divergence", "stop") == "stop":
            raise Diverged(message)
        self.diverged(message)


def rank() -> int:
    """Returns which of the processes that train together this is; only 0 is heard, for it speaks for all."""
    return int(os.environ.get("RANK", "0")) if "TORCHELASTIC_RUN_ID" in os.environ else 0


@contextlib.contextmanager
def payload_session() -> Iterator[PayloadSession]:
    """Open the session described by ``--config FILE`` or the environment.

    `Diverged` inside is reported and ends the process with its message; so does `Refused`, unreported.

    Raises:
        SystemExit: if no configuration is given or it cannot be read.
    """
    path = _config_path()
    frozen = _frozen(path)
    out, work = Path(frozen["out"]), Path(frozen["work"])
    out.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    inputs = {name: Path(value) for name, value in frozen["inputs"].items()}
    outside = frozen.get("outside") or {}
    held = _hold(inputs, outside, Path(path).parent / f"inputs{rank() or ''}")
    with _listener() as send:
        session = PayloadSession(
            frozen["config"],
            inputs,
            out,
            work,
            frozen["fingerprint"],
            send,
            frozen.get("watch"),
            held,
            outside,
        )
        started = sys.modules.get("blut_resources.payloads.code")
        if started and not rank():
            own = [str(path) for path in (out, work, *inputs.values())]
            started.tell_uncounted(lambda path: send({"event": started.UNCOUNTED, "path": path}), own)
        try:
            yield session
        except Diverged as error:
            session.diverged(str(error))
            raise SystemExit(f"diverged: {error}") from None
        except (SystemExit, Refused) as error:
            _say_passing(send, error if isinstance(error, Refused) else error.__cause__)
            message = error.code if isinstance(error, SystemExit) else str(error)
            raise SystemExit(held.named(message) if held else message) from error
        except Exception as error:
            _say_full(error, out, work)
            _say_passing(send, error)
            raise


def _say_full(error: Exception, out: Path, work: Path) -> None:
    """Name the full place of an error, while what has filled it is still there."""
    from blut_resources.files.full import SAID, blamed, is_full, says_full, writing

    if is_full(error) or says_full(str(error)):
        places = {
            "$BLUT_STORE": work,
            "the result": out,
            "$TMPDIR": Path(os.environ.get("TMPDIR") or "/tmp"),  # noqa: S108
            "the working directory": Path(),
            "shared memory": Path("/dev/shm"),  # noqa: S108
        }
        name = getattr(error, "filename", None) or writing(error)
        words = f"No space left on device: '{name}'" if name else str(error)
        print(SAID + blamed(words, places), file=sys.stderr, flush=True)


def _say_passing(send: Send, error: BaseException | None) -> None:
    """Report that what ended it may pass by itself, and that another attempt is worth it."""
    from blut_resources.files.passing import may_pass

    if error is not None and (found := may_pass(error)):
        said = {"cause": found.cause, "message": found.said, "after_s": found.after_s}
        with contextlib.suppress(OSError):  # what is full may be the place of the messages
            send({"event": "passing", **said})


def tell_uncounted_files() -> None:
    """Report, for a program that has opened no session, what it read beyond its code version."""
    started = sys.modules["blut_resources.payloads.code"]
    path, config = _message_file(), os.environ.get(CONFIG_ENV)
    if path is None or config is None:
        return
    frozen = _frozen(config)
    own = [frozen["out"], frozen["work"], *frozen["inputs"].values()]
    with open(path, "a", encoding="utf-8") as file:  # noqa: PTH123

        def tell(read: str) -> None:
            file.write(f"{_message(EVENT, {'payload': {'event': started.UNCOUNTED, 'path': read}})}\n")

        started.tell_uncounted(tell, own)


def _frozen(path: str) -> dict[str, Any]:
    """Returns what the file says, with all that there has to be."""
    try:
        frozen = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise SystemExit(f"--config {path}: not a payload configuration: {error!r}") from error
    for name, kind in FROZEN.items():
        if not isinstance(frozen, dict) or not isinstance(frozen.get(name), kind):
            found = repr(frozen.get(name)) if isinstance(frozen, dict) and name in frozen else "missing"
            what = "an object" if kind is dict else "a text"
            raise SystemExit(f"--config {path}: not a payload configuration: {name}: {found}; give {what}")
    return frozen


def _hold(inputs: dict[str, Path], told: dict[str, Any], place: Path) -> HeldFiles | None:
    """Let inputs outside the store be read as they were digested, and only so."""
    if not told:
        return None
    from blut_resources.payload_kit.held_files import HeldFiles

    held = HeldFiles(place)
    for name, listing in told.items():
        inputs[name] = held.hold(name, inputs[name], listing)
    return held


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
    if rank():
        yield lambda event: None
    elif PIPES_CONTEXT not in os.environ:
        yield lambda event: print(json.dumps(event), flush=True)
    elif path := _message_file():
        with _pipes(path) as send:
            yield lambda event: send(_dated(event))
    else:
        from dagster_pipes import open_dagster_pipes

        with open_dagster_pipes() as pipes:
            yield lambda event: pipes.report_custom_message(_dated(event))


def _dated(event: dict[str, Any]) -> dict[str, Any]:
    """Add the time at which it is said: it may be a while until somebody reads it."""
    return {**event, "t": round(time.time(), 3)}


def _message_file() -> str | None:
    """Returns the file that the other side of the pipes reads; None if it listens on something else."""
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
        line = _message(method, params)
        if len(line) > MESSAGE_MAX and method != "closed":
            raise ValueError(
                f"a message of {len(line)} bytes, of {MESSAGE_MAX >> 20} MiB at most; write it to a file in"
                " `out` or `work` instead"
            )
        if len(line) > MESSAGE_MAX:
            return tell(method, {})  # the stack trace is on standard error too
        _append(path, f"{line}\n".encode())

    tell("opened", {"extras": {SESSION: True}})
    try:
        yield lambda event: tell(EVENT, {"payload": event})
    except BaseException as error:
        from traceback import TracebackException

        with contextlib.suppress(OSError):  # no room for that either: the first error is the one to tell
            tell("closed", {"exception": _described(TracebackException.from_exception(error))})
        raise
    tell("closed", {})


def _append(path: str, line: bytes) -> None:
    """Add a line or nothing: half of one would spoil the next. Raises OSError, which names the file."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        before = os.fstat(file).st_size
        written = os.write(file, line)
        if written != len(line):
            if os.fstat(file).st_size == before + written:
                os.ftruncate(file, before)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
    finally:
        os.close(file)


def _message(method: str, params: dict[str, Any]) -> str:
    return json.dumps({"__dagster_pipes_version": "0.1", "method": method, "params": params})


def _described(error: TracebackException) -> dict[str, Any]:
    return {
        "message": "".join(error.format_exception_only()),
        "stack": error.stack.format(),
        "name": error.exc_type.__name__ if error.exc_type else None,
        "cause": _described(error.__cause__) if error.__cause__ else None,
        "context": _described(error.__context__) if error.__context__ else None,
    }
