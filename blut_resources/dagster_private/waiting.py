"""Holds events for a moment, so that several are written at once.

Dagster stores each event in a transaction of its own, and a step that reuses its result has half a dozen of
them within some milliseconds.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

WAIT_S = 0.2
"""Seconds after which whoever looks at a run sees what was said in it."""
T = TypeVar("T")


class HeldEvents(Generic[T]):
    """Hands events on in their order, at once unless this process works within `together`.

    Args:
        write: writes down some of them, and takes those from the list that are written.
    """

    def __init__(self, write: Callable[[list[T]], None]) -> None:
        self._write, self._held, self._owner = write, list[T](), 0
        self._lock, self._told = threading.RLock(), False
        # no `Event`: an interrupt that comes while one is set leaves it locked, and all wait for it
        self._some = queue.SimpleQueue[bool]()

    def add(self, one: T, *, can_wait: bool) -> None:
        """Take one; it is written by the end of this call, after those that wait, unless it can wait too."""
        with self._lock:
            if self._owner not in (0, os.getpid()):  # they are those of the process that has forked this one
                self._held, self._owner = [], 0
            self._held.append(one)
            if can_wait and self._owner:
                if not self._told:
                    self._told = True
                    self._some.put(True)
                return
            try:
                self._write(self._held)
            except BaseException:
                if self._held and self._held[-1] is one:  # whoever gave it hears that it is not written
                    self._held.pop()
                raise

    def write(self) -> None:
        """Write down those that wait."""
        with self._lock:
            if self._held and self._owner == os.getpid():
                self._write(self._held)

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """Let those that can wait do so inside the block, for `WAIT_S` at most."""
        self._owner, self._told = os.getpid(), False
        writer = threading.Thread(target=self._look, name="blut-events", daemon=True)
        writer.start()
        try:
            yield
        finally:
            self._some.put(False)
            writer.join()
            try:
                self.write()
            finally:
                self._owner = 0

    def _look(self) -> None:
        while self._some.get():
            with contextlib.suppress(queue.Empty):
                self._some.get(timeout=WAIT_S)  # nothing but the end comes before they are written
                return
            self._told = False
            with contextlib.suppress(Exception):  # they still wait, and whoever adds the next one hears of it
                self.write()
