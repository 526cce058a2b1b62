"""Says what a scheduler knows of a job, and what its end was: by its own files first, then by that word."""

import time
from dataclasses import dataclass, fields
from typing import Any, Literal, NamedTuple

from blut_resources.containment.outcome import Outcome
from blut_resources.launchers.files import NO_SHARE
from blut_resources.machine.memory import size_text

SETTLE_S = 10.0
"""Seconds that the outcome may come later than the word of the scheduler that explains its absence."""
LATE_S = 60.0
"""Seconds that it may come later where nothing explains its absence: a share shows files late."""
LOST_S = 600.0
"""Seconds without a sign of life after which a job that its scheduler does not know is lost."""
LOOKS = 3
"""How many looks in a row must have missed it."""


class Sight(NamedTuple):
    """Holds what a scheduler says of a job.

    Attributes:
        state: what that means; ``unknown`` is not gone.
        word: the scheduler's own, such as ``OUT_OF_MEMORY``.
        reason: why it waits, or ended.
        node: where it is.
        restarts: how often it was started again.
        at: when it was looked, by the monotonic clock.
        given_up: whether it has ended before it began, and may be asked for again.
        status: its exit status where it has ended; None if the scheduler does not say.
    """

    state: Literal["waiting", "running", "ended", "unknown"]
    word: str = ""
    reason: str = ""
    node: str = ""
    restarts: int = 0
    at: float = 0.0
    given_up: bool = False
    status: int | None = None


@dataclass
class Ends:
    """Decides how a job has ended; None as long as it may go on.

    Attributes:
        memory: bytes that the job may use, what holds the payload there included; None if nobody said.
        cancelled: whether the run has asked for its end.
        told_at: when its scheduler was told to end it at once, by the monotonic clock; 0 if it was not.
    """

    memory: int | None
    cancelled: bool = False
    told_at: float = 0.0
    _said_at: float = 0.0
    _ended_at: float = 0.0
    _missed_at: float = 0.0
    _missed: int = 0

    def seen(self, sight: Sight) -> None:
        """Take a look of the scheduler into account."""
        if sight.state != "unknown":
            self._missed, self._missed_at = 0, 0.0
        else:
            self._missed += 1
            self._missed_at = self._missed_at or time.monotonic()
        self._ended_at = (self._ended_at or time.monotonic()) if sight.state == "ended" else 0.0

    def outcome(self, said: dict[str, Any] | None, sight: Sight, quiet_s: float) -> Outcome | None:
        """Returns how it has ended.

        Args:
            said: the outcome file of the attempt that counts.
            sight: the newest look of the scheduler.
            quiet_s: seconds since the last sign of life.
        """
        if said:
            return self._of_file(said, sight)
        self._said_at = 0.0
        if sight.state == "ended":
            return self._of_word(sight, time.monotonic() - self._ended_at)
        if self.told_at and sight.state == "waiting" and sight.at > self.told_at + SETTLE_S:
            # Ray ends what has no place yet when it has one
            return Outcome("cancelled", detail="it waited, and its scheduler was told to end it")
        missed_s = time.monotonic() - self._missed_at if self._missed_at else 0.0
        if self._missed >= LOOKS and min(missed_s, quiet_s) > LOST_S:
            return Outcome("lost", detail="its scheduler does not know the job any more")
        return None

    def _of_file(self, said: dict[str, Any], sight: Sight) -> Outcome | None:
        known = {field.name for field in fields(Outcome)}
        outcome = Outcome(**{name: value for name, value in said.items() if name in known})
        if outcome.ok or said.get("asked") != "term" or self.cancelled:
            return outcome
        # it was told to end, and not by this run: only the scheduler knows why. It may have told the payload
        # itself as well, so that this ended by the signal
        self._said_at = self._said_at or time.monotonic()
        if sight.at > self._said_at:
            if sight.state == "waiting":
                return None  # it will be started again
            if sight.state == "ended":
                return self._of_word(sight, LATE_S) if sight.word in _WORDS else outcome
        return outcome if time.monotonic() - self._said_at > LATE_S else None

    def _of_word(self, sight: Sight, waited_s: float) -> Outcome | None:
        if sight.status == NO_SHARE:
            said = "does not see its place on the share, or cannot write there"
            return Outcome("lost", detail=f"{sight.node or 'its node'} {said}")
        kind = _WORDS.get(sight.word)
        if waited_s < (SETTLE_S if kind else LATE_S) and not (kind == "cancelled" and not sight.node):
            return None
        if kind == "oom-kill":
            size = f", {size_text(self.memory)}," if self.memory else ""
            words = f"the memory of its job{size} was all used"
            return Outcome("oom-kill", signal=9, limit=self.memory, whose="ancestor", detail=words)
        reason = f", {sight.reason}" if sight.reason not in ("", "None") else ""
        detail = f"the scheduler says {sight.word}{reason}{f' on {sight.node}' if sight.node else ''}"
        return Outcome(kind or "lost", detail=detail)


_WORDS: dict[str, Literal["oom-kill", "timeout", "cancelled", "lost"]] = {
    "OUT_OF_MEMORY": "oom-kill",
    "TIMEOUT": "timeout",
    "DEADLINE": "timeout",
    "CANCELLED": "cancelled",
    "NODE_FAIL": "lost",
    "BOOT_FAIL": "lost",
    "PREEMPTED": "lost",
}
"""Ends that explain why there is no outcome file."""
