"""Ends a payload before its time, where there is enough of it: at its next checkpoint, to lose nothing."""

import math
import time
from collections.abc import Callable, Mapping
from typing import Any

PATIENCE_S = 10.0
"""For so long a payload is waited for that has its epoch and not yet the checkpoint of it."""


class Early:
    """Listens for the epoch after which there is enough, and for the checkpoint that belongs to it.

    Attributes:
        why: it is to end; empty as long as it is not.
    """

    def __init__(self, enough: Callable[[Mapping[str, Any]], str]) -> None:
        self._enough, self.why = enough, ""
        self._epoch, self._kept = -1, -1
        self._since, self._ended = math.inf, False

    def hears(self, event: Mapping[str, Any]) -> bool:
        """Takes in an event; says whether it is the one at which the payload is to be ended."""
        if event["event"] == "checkpoint":
            self._kept = event["epoch"]
        elif event["event"] == "epoch":
            self._epoch = event["epoch"]
            self._look(event)
        if not self.why or self._ended or self._kept < self._epoch:
            return False
        self._ended = True
        return True

    def overdue(self) -> str:
        """Returns why it is to end, if it has kept nothing for too long; asked now and then."""
        self._look({})
        return self.why if time.monotonic() - self._since > PATIENCE_S else ""

    def _look(self, event: Mapping[str, Any]) -> None:
        if not self.why and (why := self._enough(event)):
            self.why, self._since = why, time.monotonic()
