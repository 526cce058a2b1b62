"""Says between threads, and from a handler of signals, that something has happened."""

import contextlib
import queue


class Flag:
    """Does what `threading.Event` does, and an interrupt that comes meanwhile lets nobody wait for ever.

    An event has a lock that is taken in Python: an interrupt just after that leaves it taken for good, and a
    handler of signals that sets an event waits for what it has interrupted. A queue in C has neither.
    """

    def __init__(self) -> None:
        self._is_set, self._told = False, queue.SimpleQueue[None]()

    def is_set(self) -> bool:
        """Says whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """Say that it has happened."""
        self._is_set = True
        self._told.put(None)

    def clear(self) -> None:
        """Forget that it has happened."""
        self._is_set = False
        with contextlib.suppress(queue.Empty):
            while True:
                self._told.get_nowait()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until it has happened, or for so many seconds; says whether it has."""
        if not self._is_set:
            with contextlib.suppress(queue.Empty):
                self._told.get(timeout=seconds)
                if self._is_set:  # whoever else waits hears of it too
                    self._told.put(None)
        return self._is_set
