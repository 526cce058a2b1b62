"""Reports the metrics of a training to experiment trackers, where a team looks; none unless asked for.

A tracker calls servers, starts services and waits for them. So another process tells it, `sink`, which reads
what the run writes down anyway: a training neither waits for it nor ends with it, and what broke off is told
again later, from the same stream.
"""

import contextlib
import importlib.util
import io
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import blut_resources
from blut_resources.files.documents import DocumentError
from blut_resources.machine.processes import descendants, read
from blut_resources.runs import manifest
from blut_resources.runs import order as orders
from blut_resources.runs.files import manifest_path
from blut_resources.runs.order import TrackedRun
from blut_resources.settings import origin, settings

LOGGER = "BLUT_LOGGER"
LOGGERS = ("none", "wandb")
END_S = 60.0
"""Seconds that the other process may take when a run has ended."""
WAIT_S = 10.0
"""Seconds of them for which somebody waits, as long as it may be at work."""
MODULE = "blut_resources.runs.sink"
POLL_S = 0.1

_started: list["subprocess.Popen[bytes]"] = []
"""Processes that outlive whoever has started them, so that nobody is warned of that."""


class TrackerUnavailable(ValueError):
    """Says that a tracker was asked for that there is not; the message names setting, value and remedy."""


class Tracker(Protocol):
    """Takes the end of one asset of a run; its epochs are read from the stream of events."""

    def finish(self, ok: bool) -> None:
        """Say how it ended; waits for nothing."""
        ...

    def settle(self) -> str:
        """Wait a moment until all is told; returns what is wrong, in words."""
        ...


class NoTracker:
    """Takes everything and does nothing, for nobody asked."""

    def finish(self, ok: bool) -> None:
        """Do nothing."""
        ...

    def settle(self) -> str:
        """Returns that nothing is wrong."""
        return ""


def chosen_logger(said: str = "auto") -> str:
    """Returns what a config says; ``auto`` is what ``$BLUT_LOGGER`` says, else ``none``.

    Raises:
        TrackerUnavailable: no such tracker is known, or its package is not installed.
    """
    asked = settings().get(LOGGER) or "none"
    name, where = (said, "logger") if said != "auto" else (asked, origin(LOGGER))
    if name not in LOGGERS:
        raise TrackerUnavailable(f"{where} = {name!r}: must be one of {', '.join(LOGGERS)}")
    if name != "none" and importlib.util.find_spec(name) is None:
        raise TrackerUnavailable(
            f"{where} = {name!r}: the package {name} is not installed; `pip install 'blut[observability]'`,"
            " or set none"
        )
    return name


def open_tracker(
    logger: str, home: Path, *, run_id: str, asset: str, experiment: str, config: Mapping[str, Any]
) -> Tracker:
    """Returns a tracker for one asset of a run of the instance in ``home``.

    Raises:
        OSError: its process cannot be started.
        StoreError: what it is to be told cannot be written down.
    """
    if logger == "none":
        return NoTracker()
    project, mode = settings().get("WANDB_PROJECT") or "blut", settings().get("WANDB_MODE") or "offline"
    return SinkTracker(TrackedRun(str(home), run_id, asset, experiment, dict(config), project, mode))


class SinkTracker:
    """Starts a process of its own that tells the tracker, and that ends by itself."""

    def __init__(self, order: TrackedRun) -> None:
        self._order = order
        order.keep()
        self._sink = _Sink("live", [order])
        self._said: dict[str, Any] = {}

    def finish(self, ok: bool) -> None:
        """Say how it ended; waits for nothing."""
        self._sink.tell("ok" if ok else "failed")

    def settle(self) -> str:
        """Wait a moment until all is told; returns what is wrong, in words.

        Nobody waits for one that stands still, or for a server that has not answered by now.
        """

        def hopeful() -> bool:
            return self._order.mode != "online" or bool(self._said.get("ready"))

        for said in self._sink.said(WAIT_S, hopeful):
            self._said |= said
        if "told" in self._said:
            return ""
        why = self._said.get("broken") or ("" if self._sink.alive() else "its process was killed")
        return why or f"it has not answered yet, and has {END_S:.0f} more seconds"


def tell_again(home: Path, patience_s: float, run_id: str = "") -> list[str]:
    """Tell trackers of runs that have ended what they were not told; returns what came of it, in sentences.

    What is told lies in offline runs, made from the runs' own events. It takes up to `END_S` for each, of
    which somebody waits for ``patience_s``. What failed a few times is tried again for a ``run_id`` only.
    """
    found = [order for order in orders.kept(home, run_id) if _is_due(order, run_id)]
    sink = _Sink("again", found) if found else None
    if sink is None or not patience_s or not sink.orders:
        return []
    said = {(one["run"], one["asset"]): one for one in sink.said(patience_s, lambda: True)}
    return [_sentence(order, said.get((order.run_id, order.asset))) for order in sink.orders]


def order_again(home: Path, run_id: str, assets: Sequence[str]) -> None:
    """Write down that a tracker is to be told of assets of a run, from what its manifest has.

    Raises:
        DocumentError: it has no manifest that can be read.
        StoreError: it cannot be written down.
    """
    known = manifest.read(manifest_path(home, run_id))
    for asset in assets:
        config = known["assets"].get(asset, {}).get("config", {})
        about = (str(home), run_id, asset, known["experiment"], {**config, "intent": known["intent"]})
        TrackedRun(*about, settings().get("WANDB_PROJECT") or "blut").keep()


def _is_due(order: TrackedRun, run_id: str) -> bool:
    """Says whether it can be told and is to be; one that never can be is dropped."""
    if order.mode == "disabled" or not order.directory.is_dir():
        orders.drop(order)
        return False
    if importlib.util.find_spec("wandb") is None or not (run_id or order.tries < orders.TRIES):
        return False
    with contextlib.suppress(OSError, DocumentError):
        return bool(manifest.read(manifest_path(Path(order.home), order.run_id))["outcome"])
    return False


def _sentence(order: TrackedRun, said: Mapping[str, Any] | None) -> str:
    run, of = order.run_id[:8], f"{order.asset} of run {order.run_id[:8]}"
    if said is None:
        return f"wandb is being told again of {of}, in the background"
    if "told" not in said:
        why = said["broken"]
        return f"wandb could not be told again of {of}: {why}; `blut runs tell {run}` tries once more"
    where = said["where"]
    return (
        f"wandb missed something of {of}: all its {said['told']} epochs are in {where} now;"
        f" `wandb sync {where}` uploads them"
    )


class _Sink:
    """Stands for a process that tells some orders, whose locks it inherits.

    Attributes:
        orders: those that no other process tells.
    """

    def __init__(self, what: str, found: Sequence[TrackedRun]) -> None:
        claims = [(order, orders.claim(order)) for order in found]
        self.orders = [order for order, claim in claims if claim is not None]
        held = [claim for _, claim in claims if claim is not None]
        self._text, self._process = b"", None
        try:
            if self.orders:
                self._process = self._start(what, held)
        finally:
            for claim in held:
                claim.close()  # the lock is the other process's now: to give it back would end it there too

    def _start(self, what: str, held: Sequence[io.FileIO]) -> "subprocess.Popen[bytes]":
        path = [str(Path(blut_resources.__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [sys.executable, "-P", "-m", MODULE, what, str(END_S)]
        process = subprocess.Popen(
            [*command, *(str(order.path) for order in self.orders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            cwd="/",
            pass_fds=[claim.fileno() for claim in held],
            start_new_session=True,  # Ctrl-C and the end of a terminal are not for it
        )
        _started.append(process)
        return process

    def tell(self, word: str) -> None:
        """Say the word for which it waits, once; it may be gone."""
        assert self._process and self._process.stdin
        if self._process.stdin.closed:
            return
        with contextlib.suppress(OSError):
            self._process.stdin.write(word.encode())
            self._process.stdin.close()

    def alive(self) -> bool:
        """Says whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    def said(self, patience_s: float, hopeful: Callable[[], bool]) -> Iterator[dict[str, Any]]:
        """Yields what it says until its end, as long as there is hope, and for so many seconds at most."""
        assert self._process and self._process.stdout
        out, deadline = self._process.stdout.fileno(), time.monotonic() + patience_s
        has_more = select.poll()
        has_more.register(out, select.POLLIN)
        while time.monotonic() < deadline:
            if has_more.poll(POLL_S * 1000):
                more = os.read(out, 1 << 16)
                self._text += more
                while b"\n" in self._text:
                    line, self._text = self._text.split(b"\n", 1)
                    yield json.loads(line)
                if more:
                    continue
                return
            if not hopeful() or self._stands_still():
                return

    def _stands_still(self) -> bool:
        """Says whether somebody has stopped it, or a process that it has started."""
        assert self._process
        processes = (self._process.pid, *descendants(self._process.pid))
        states = (read(f"/proc/{pid}/stat").rpartition(")")[2].split() for pid in processes)
        return any(state[:1] == ["T"] for state in states)
