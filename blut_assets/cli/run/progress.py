"""Shows a run at work: each event as a line, and on a terminal always how far it is."""

import contextlib
import logging
import os
import shutil
import sys
import threading
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg

from blut_assets.cli.run.pace import Pace
from blut_assets.history.failures import asset_of, failed_words, not_reached
from blut_assets.stages.payloads import MOVES
from blut_assets.terminal.longwork import LongWork
from blut_assets.terminal.output import LineTimes, duration
from blut_resources.dagster_private.console import said_in
from blut_resources.files.digest import heard_hashing
from blut_resources.instance.instance import home_of
from blut_resources.machine.flag import Flag
from blut_resources.runs.files import status_path
from blut_resources.screen import CLEAR, redraws
from blut_resources.text import one_line, output

REPAINT_S = 0.5
NOISE = "[pipes] "


class Progress(logging.Handler):
    """Takes the events of one run. On a terminal steps and epochs only move the line at the bottom."""

    def __init__(
        self, title: str, run_id: str, epochs: Mapping[str, int], instance: dg.DagsterInstance
    ) -> None:
        super().__init__()
        # while a step runs, what is printed goes to its log first: this is for the terminal alone
        self._out = os.fdopen(os.dup(sys.__stderr__.fileno() if sys.__stderr__ else 2), "w", errors="replace")
        self._live = redraws(self._out)
        self._title, self._run_id, self._clock = title, run_id, LineTimes()
        self._pace = Pace(status_path(home_of(instance), run_id), epochs)
        self._epochs, self._over = epochs, Flag()
        self._hashed, self._hears = LongWork(title), contextlib.ExitStack()
        self._painter = threading.Thread(target=self._paint, name="blut-progress", daemon=True)

    def __enter__(self) -> "Progress":
        self._say(f"{self._title}: run {self._run_id[:8]}")
        if self._live:
            self._painter.start()
            self._hears.enter_context(heard_hashing(lambda read, more: self._hashed(read, more)))
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what a record says, if a person wants to know."""
        meta = said_in(record)
        event = meta.get("dagster_event")
        if not event and record.levelno < logging.INFO:
            return
        text = self._of_event(event) if event else str(meta.get("orig_message") or record.getMessage())
        if skipped := not_reached(text):
            self._say(f"{skipped}: not reached")
            return
        moves = getattr(record, MOVES, False)  # the line at the bottom says that
        if text and not (moves and self._live) and not text.startswith(NOISE):
            level = "" if event or record.levelno < logging.WARNING else f"{record.levelname}: "
            self._say(level + (self._of_all(text) if moves else text))

    def _of_all(self, text: str) -> str:
        """Returns what a line says of an epoch, with how many there will be and the time that these take."""
        asset, _, said = text.partition(": epoch ")
        number, colon, values = said.partition(": ")
        total = self._epochs.get(asset)
        if not said or not total:
            return text
        self._pace.look()
        left = self._pace.left_s() if self._pace.asset == asset else None
        return f"{asset}: epoch {number}/{total}{f', {duration(left)} left' if left else ''}{colon}{values}"

    def _of_event(self, event: Any) -> str:
        step = asset_of(event.step_key or "")
        if event.is_step_start:
            self._pace.begin(step)
            self._hashed = LongWork(step)
            return f"{step}: begins" if not self._live else ""
        if event.is_step_success:
            return f"{step}: done after {duration(event.step_success_data.duration_ms / 1000)}"
        if event.is_step_failure:
            return f"{step}: {failed_words(event)}"
        return ""

    def _say(self, text: str) -> None:
        self._write(f"{CLEAR if self._live else ''}{self._clock.line(time.time(), output(text))}\n")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):  # nobody may be there to read it any more
            self._out.write(text)
            self._out.flush()

    def _paint(self) -> None:
        while not self._over.wait(REPAINT_S):
            self._pace.look()
            width = shutil.get_terminal_size().columns - 1
            read = "" if self._pace.at else self._hashed.share()  # by the asset itself, which has no payload
            line = f"{self._pace.line()}{f'  hashed {read}' if read else ''}"
            self._write(f"{CLEAR}{one_line(line)[:width]}")
        self._write(CLEAR)

    def finish(self) -> None:
        """Print no more lines after this. Idempotent. (`close` is called by any configuration of logging.)"""
        if not self._over.is_set():
            self._over.set()
            self._hears.close()
            if self._painter.is_alive():
                self._painter.join()
            with contextlib.suppress(OSError):
                self._out.close()
