"""Waits for a scheduler, or in its queue, and counts how long."""

import time
from collections.abc import Callable
from typing import TypeVar

from blut_resources.containment.outcome import Outcome
from blut_resources.launchers.base import NeverStarted
from blut_resources.launchers.scheduler import Busy
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.transport import NoAnswer

T = TypeVar("T")

ASK_S = 2.0
"""Seconds between two questions whether the result is still wanted, while a job waits."""
BUSY_S, BUSY_MOST_S = 2.0, 60.0
"""Seconds of the first wait for a scheduler that takes nothing, and of the longest."""


def until_answered(ask: Callable[[], T], what: str, waits: Callable[[str], str]) -> T:
    """Returns what a scheduler says, as soon as it says something: it is asked less and less often.

    Args:
        ask: raises Busy or NoAnswer where it is to be asked again.
        what: is waited for, while it says nothing.
        waits: see `Launcher.start`.

    Raises:
        NeverStarted: nobody wants the result any more.
    """
    patience = BUSY_S
    while True:
        try:
            return ask()
        except (Busy, NoAnswer) as error:
            wait_for(f"{what} ({error})", patience, waits)
            patience = min(2 * patience, BUSY_MOST_S)


def wait_for(what: str, seconds: float, waits: Callable[[str], str]) -> None:
    """Wait, and say for what. Raises NeverStarted: nobody wants the result any more."""
    ends = time.monotonic() + seconds
    while (now := time.monotonic()) < ends:
        if why := waits(f"waiting: {what}"):
            raise NeverStarted(Outcome("cancelled", detail=why))
        time.sleep(min(ASK_S, ends - now))


class QueueTime:
    """Tells whether a job waits in the queue, by what its scheduler says, and how long it has.

    Attributes:
        sight: the newest word of the scheduler.
        silent: why it says nothing; empty as long as it answers.
    """

    def __init__(self) -> None:
        self.sight, self.silent = Sight("unknown"), ""
        self._began = 0.0
        self._since: float | None = time.monotonic()
        self._waited = 0.0

    @property
    def waits(self) -> bool:
        """Says whether it waits in the queue; what was looked at before it began says nothing of that."""
        return self.sight.state == "waiting" and self.sight.at > self._began

    def see(self, sight: Sight) -> None:
        """Take what the scheduler says."""
        self.sight, self.silent = sight, ""
        if self.waits and self._since is None:
            self._since = time.monotonic()

    def begin(self) -> None:
        """Take it that it runs from now on."""
        self._began = time.monotonic()
        if self._since is not None:
            self._waited += self._began - self._since
            self._since = None

    def seconds(self) -> float:
        """Returns the seconds that it has waited, until now where it still waits."""
        return self._waited + (time.monotonic() - self._since if self._since else 0.0)
