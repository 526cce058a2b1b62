"""Ends a payload that is asked to by SIGTERM, as soon as it has finished its checkpoint."""

import contextlib
import signal
import types
from collections.abc import Iterator

RESUMES = "terminated; the next attempt resumes from the last checkpoint"


class Ending:
    """Listens for a request to end.

    Outside of `finishing` it ends the process at once, since what is lost there is computed again. Within,
    `asked` is true from then on, and the process ends when the block does.

    Attributes:
        asked: whether the process was asked to end.
        message: what it ends with; may be changed while it goes on.
    """

    def __init__(self, message: str = RESUMES) -> None:
        self.asked, self.message = False, message
        self._finishing = 0

    @contextlib.contextmanager
    def heard(self) -> Iterator["Ending"]:
        """Listen for the request while the block lasts."""
        before = signal.signal(signal.SIGTERM, self._ask)
        try:
            yield self
        finally:
            signal.signal(signal.SIGTERM, before)

    @contextlib.contextmanager
    def finishing(self) -> Iterator[None]:
        """Put the end off until this block is done, unless it fails.

        Raises:
            SystemExit: at its end, if the process was asked to end meanwhile.
        """
        self._finishing += 1
        try:
            yield
        finally:
            self._finishing -= 1
        if self.asked and not self._finishing:
            raise SystemExit(self.message)

    def _ask(self, _number: int, _frame: types.FrameType | None) -> None:
        self.asked = True
        if not self._finishing:
            raise SystemExit(self.message)
