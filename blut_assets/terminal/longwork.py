"""Shows at the bottom of a terminal how far long work of a command is."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from blut_assets.terminal.output import duration, size
from blut_resources.machine.flag import Flag
from blut_resources.runs.pace import TimeLeft
from blut_resources.screen import CLEAR, redraws
from blut_resources.text import one_line

REPAINT_S = 0.5
PLAIN_S = 30.0
"""Seconds between two lines where none is drawn anew."""


Counted = TypeVar("Counted")


class LongWork:
    """Counts what is done of a whole. It may be told from any thread.

    Attributes:
        what: is done, in words.
    """

    def __init__(self, what: str, total: int = 0, unit: Callable[[int], str] = size) -> None:
        """Take how much there is to do, 0 where that is not known, and what writes such a number."""
        self.what, self._unit, self._total = what, unit, total
        self._told, self._done = deque[tuple[int, int]](), 0  # a sum of two threads would lose some
        self._left, self._since = TimeLeft(), time.time()

    def __call__(self, done: int, more: int = 0) -> None:
        """Count so much as done, and so much more as to be done."""
        self._told.append((done, more))

    def share(self) -> str:
        """Returns how much is done of how much, and when the rest should be; empty before the first."""
        while self._told:
            done, more = self._told.popleft()
            self._done, self._total = self._done + done, self._total + more
        if not self._done and not self._total:
            return ""
        if not self._total:
            return self._unit(self._done)
        self._left.note(self._done, self._total, time.time())
        left = self._left.seconds()
        percent = min(100, 100 * self._done // self._total)
        eta = f"  ETA {duration(left)}" if left is not None else ""
        return f"{self._unit(self._done)} of {self._unit(self._total)}  {percent} %{eta}"

    def line(self) -> str:
        """Returns what is done, how far it is, and for how long it has been."""
        parts = self.what, duration(time.time() - self._since), self.share()
        return "  ".join(filter(None, parts))


def told_of(things: Iterable[Counted], work: LongWork) -> Iterator[Counted]:
    """Yields what there is, and counts each as done."""
    for one in things:
        work(1)
        yield one


@contextlib.contextmanager
def shown(line: Callable[[], str]) -> Iterator[None]:
    """Show a line meanwhile: on a terminal drawn anew, on a plain one each half minute, else not."""
    if not sys.stderr.isatty():
        yield
        return
    live, over = redraws(sys.stderr), Flag()

    def paint() -> None:
        while not over.wait(REPAINT_S if live else PLAIN_S):
            width = shutil.get_terminal_size().columns - 1
            text = one_line(line())
            _write(f"{CLEAR}{text[:width]}" if live else f"{text}\n")

    painter = threading.Thread(target=paint, name="blut-long-work", daemon=True)
    painter.start()
    try:
        yield
    finally:
        over.set()
        painter.join()
        if live:
            _write(CLEAR)


def _write(text: str) -> None:
    """Write to the terminal itself: the stream of the command obeys nothing that clears a line."""
    with contextlib.suppress(OSError):  # nobody may be there to read it any more
        os.write(2, text.encode(errors="replace"))
