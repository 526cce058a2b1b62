"""What a person sees of a run at work: each event as a line, and on a terminal always how far it is."""

import contextlib
import logging
import os
import re
import shutil
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.execution import context_creation_job

from blut_assets.cli.output import duration
from blut_assets.failures import asset_of, failed_words, not_reached
from blut_resources import status
from blut_resources.compute_logs import CLEAR
from blut_resources.containment.tree import descendants, read
from blut_resources.foreign_text import one_line, output
from blut_resources.instance import home_of
from blut_resources.machine import size_text
from blut_resources.run_files import status_path

REPAINT_S = 0.5
TAIL = 1 << 16
NOISE = "[pipes] "
PAGE = os.sysconf("SC_PAGE_SIZE")
MOVING = re.compile(
    r"^(?P<asset>\S+): (?P<unit>epoch|step) (?P<number>[\d.]+)(?:/(?P<of>\d+))?(?:: (?P<values>.*))?$"
)
"""How `blut_assets.running` logs what a payload reports."""


class Progress(logging.Handler):
    """Takes the events of one run. On a terminal steps and epochs only move the line at the bottom."""

    def __init__(
        self, title: str, run_id: str, epochs: Mapping[str, int], instance: dg.DagsterInstance
    ) -> None:
        super().__init__()
        # while a step runs, what is printed goes to its log first: this is for the terminal alone
        self._out = os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", errors="replace")
        self._live = self._out.isatty()
        self._title, self._run_id, self._instance = title, run_id, instance
        self._pace = Pace(epochs)
        self._over = threading.Event()
        self._painter = threading.Thread(target=self._paint, name="blut-progress", daemon=True)

    def __enter__(self) -> "Progress":
        self._say(f"{self._title}: run {self._run_id[:8]}")
        if self._live:
            self._painter.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a record says, if a person wants to know."""
        meta: dict[str, Any] = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if not event and record.levelno < logging.INFO:
            return
        text = self._of_event(event) if event else str(meta.get("orig_message") or record.getMessage())
        if skipped := not_reached(text):
            self._say(f"{skipped}: not reached")
            return
        moves = None if event else self._pace.note(text)
        if text and not (moves and self._live) and not text.startswith(NOISE):
            level = "" if event or record.levelno < logging.WARNING else f"{record.levelname}: "
            self._say(level + text)

    def _of_event(self, event: Any) -> str:
        step = asset_of(event.step_key or "")
        if event.is_step_start:
            self._pace.begin(step)
            return f"{step}: begins" if not self._live else ""
        if event.is_step_success:
            return f"{step}: done after {duration(event.step_success_data.duration_ms / 1000)}"
        if event.is_step_failure:
            return f"{step}: {failed_words(event)}"
        return ""

    def _say(self, text: str) -> None:
        self._write(f"{CLEAR if self._live else ''}{time.strftime('%H:%M:%S')} {output(text)}\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be there to read it any more
            self._out.write(text)
            self._out.flush()

    def _paint(self) -> None:
        while not self._over.wait(REPAINT_S):
            memory = memory_of(home_of(self._instance), self._run_id)
            width = shutil.get_terminal_size().columns - 1
            self._write(f"{CLEAR}{one_line(self._pace.line(memory))[:width]}")
        self._write(CLEAR)

    def finish(self) -> None:
        """No more lines after this. Idempotent. (`close` is called by any configuration of logging.)"""
        if not self._over.is_set():
            self._over.set()
            if self._painter.is_alive():
                self._painter.join()
            with contextlib.suppress(OSError):
                self._out.close()


class Pace:
    """How far the asset in work is, and when it should be done.

    Its pace is that of its steps where it says how many there will be, else that of its epochs.
    """

    def __init__(self, epochs: Mapping[str, int]) -> None:
        self._epochs = epochs
        self.begin("")

    def begin(self, asset: str) -> None:
        """Another asset is in work."""
        self.asset, self._since = asset, time.monotonic()
        self._unit = self._at = self._values = ""
        self._total: int | None = None
        self._seen: list[tuple[float, float]] = []

    def note(self, text: str) -> bool:
        """Take a line of the log; whether it was about an epoch or a step."""
        found = MOVING.match(text)
        if found is None:
            return False
        if found["asset"] != self.asset:
            self.begin(found["asset"])
        unit, number = found["unit"], found["number"]
        if unit == "epoch" and self._unit == "step":
            return True  # its steps say more
        total = self._epochs.get(self.asset) if unit == "epoch" else found["of"] and int(found["of"])
        if unit == "epoch" or total or not self._unit:
            self._at, self._values = f"{unit} {number}{f'/{total}' if total else ''}", found["values"] or ""
        # numbers that fall are another pass over the same, such as decoding after encoding
        if total and ((unit, total) != (self._unit, self._total) or float(number) < self._seen[-1][0]):
            self._unit, self._total, self._seen = unit, total, []
        if unit == self._unit:
            self._seen = [*self._seen, (float(number), time.monotonic())]
        return True

    def left_s(self) -> float | None:
        """Seconds until the last step or epoch, from the pace since the first; None where nobody can tell."""
        seen, total = self._seen, self._total  # another thread goes on
        if total is None or len(seen) < 2 or seen[-1][0] <= seen[0][0]:
            return None
        (first, begun), (last, now) = seen[0], seen[-1]
        each = (now - begun) / (last - first)
        return max(0.0, each * (total - last) - (time.monotonic() - now))

    def line(self, memory: int) -> str:
        """The line at the bottom; a narrow terminal cuts off its end, hence the order."""
        if not self.asset:
            return "..."
        left = self.left_s()
        parts = [self.asset, self._at, duration(time.monotonic() - self._since)]
        parts += [f"ETA {duration(left)}"] if left is not None else []
        parts += [size_text(memory)] if memory else []
        # the loss first, whatever the order in which a payload reports
        parts += sorted(self._values.split(), key=lambda value: not value.startswith("loss="))
        return "  ".join(filter(None, parts))


def memory_of(home: Path, run_id: str) -> int:
    """Bytes that the payload of a run takes now: its newest gauge, else what is below this process."""
    path = status_path(home, run_id)
    end = path.stat().st_size if path.exists() else 0
    gauges = [e for e in status.read(path, max(0, end - TAIL)) if e["kind"] == "gauge"] if end else []
    if gauges:
        values = gauges[-1].get("values", gauges[-1])
        return int(values.get("memory_bytes", 0))
    return sum(_resident(pid) for pid in descendants(os.getpid()) - {os.getpid()})


def _resident(pid: int) -> int:
    fields = read(f"/proc/{pid}/statm").split()
    return (int(fields[1]) - int(fields[2])) * PAGE if fields else 0


@contextlib.contextmanager
def shown_by(progress: Progress) -> Iterator[None]:
    """Let the runs inside the block report there, and nowhere else on the terminal.

    A job's own loggers are used only where its run config names them, and a recipe's has no place for that.
    """

    @dg.logger
    def console(_: dg.InitLoggerContext) -> logging.Logger:
        own = logging.Logger("blut")
        own.addHandler(progress)
        return own

    place: Any = context_creation_job
    before = place.default_system_loggers
    place.default_system_loggers = lambda *_: [(console, {})]
    try:
        yield
    finally:
        place.default_system_loggers = before
