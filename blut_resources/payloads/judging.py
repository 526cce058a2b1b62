"""Judges how a payload has ended, by what it has said and by what became of its processes."""

import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.containment import Outcome
from blut_resources.files.full import SAID, is_nearly_full, says_full
from blut_resources.files.passing import NODE, Passing
from blut_resources.instance.places import full_by_words, places
from blut_resources.payloads.code import UNCOUNTED
from blut_resources.payloads.messages import MessageTail
from blut_resources.payloads.payload import Payload, PayloadDiverged, PayloadFailed, PayloadOutOfRoom
from blut_resources.payloads.reasons import EndReasons

OURS = ("gauge", "gpu_starved")
"""Events that the payload has not sent."""


class Testimony:
    """Keeps what a payload has said about its end.

    Attributes:
        diverged: how it has diverged; empty if it has not.
        stays: what is kept of it, in words; empty before its first checkpoint.
        passing: why it has failed, where that may pass by itself.
    """

    def __init__(self, reader: MessageTail) -> None:
        self._reader, self._last = reader, ""
        self.diverged, self.stays = "", ""
        self.passing: Passing | None = None

    def take(self, event: Mapping[str, Any]) -> None:
        """Take an event into account."""
        kind = event["event"]
        if kind not in (*OURS, UNCOUNTED):
            self._last = kind
        if kind == "diverged":
            self.diverged = event["message"]
        elif kind == "passing":
            self.passing = Passing(event["cause"], event["message"], event.get("after_s", 0.0))
        elif kind == "checkpoint":
            self.stays = f"; its checkpoint of epoch {event['epoch']} stays, and it goes on from there"

    @property
    def finished(self) -> bool:
        """Says whether it has said that it is done."""
        return self._last == "done" or (self._reader.ordinary and self._reader.closed)

    @property
    def torn(self) -> int:
        """Returns the number of bytes of a message that was never finished."""
        return self._reader.torn


def demand_success(
    payload: Payload,
    said: Testimony,
    outcome: Outcome,
    printed: str,
    reasons: EndReasons,
    home: Path,
    *,
    elsewhere: bool,
) -> None:
    """Raise what a payload has failed; return if it has done all that it was to do.

    Args:
        printed: the end of its log.
        elsewhere: whether it was a job, which another node may do where this one has not lived.

    Raises:
        PayloadFailed: or one of its kinds, see `run_payload`.
    """
    if why := _out_of_room(home, outcome, printed):
        what = f"{payload.module}: {outcome.describe()}: {why}{said.stays}"
        raise PayloadOutOfRoom("\n".join([what, *_besides(printed)]).rstrip(), outcome)
    done = outcome.ok and said.finished and not said.torn
    if not done and (failure := reasons.failure(outcome, said.stays)):
        raise failure
    module = payload.module
    if said.diverged and outcome.kind == "exit":
        raise PayloadDiverged(f"{payload.name} has diverged: {said.diverged}", outcome)
    if not outcome.ok:
        passing = said.passing if outcome.kind == "exit" else _of_node(outcome, elsewhere=elsewhere)
        raise PayloadFailed(f"{module}: {outcome.describe()}\n{printed}".rstrip(), outcome, passing)
    if said.torn:
        what = f"exit status 0, but its last message is cut off ({said.torn} bytes)"
        raise PayloadFailed(f"{module}: {what}", outcome)
    if not said.finished:
        what = "exit status 0 without `done`, or without the end of Dagster Pipes"
        raise PayloadFailed(f"{module}: {what}; nothing it wrote is used", outcome)


def _of_node(outcome: Outcome, *, elsewhere: bool) -> Passing | None:
    """Returns what may pass by itself where a payload was ended: another node may live longer."""
    return Passing(NODE, outcome.describe()) if elsewhere and outcome.kind == "lost" else None


def _out_of_room(home: Path, outcome: Outcome, printed: str) -> str:
    """Returns which file system without room has ended a payload; empty if none has."""
    if outcome.kind in ("exit", "lost") and says_full(printed):
        return full_by_words(home, printed)
    if outcome.signal == signal.SIGBUS and any(map(is_nearly_full, places(home).values())):
        return full_by_words(home, printed)  # a file that it had mapped could not grow
    return ""


def _besides(printed: str) -> list[str]:
    """Returns what is worth saying again: where the payload has named the place itself, its last line."""
    told = printed.splitlines()
    rest = [line for line in told if not line.startswith(SAID)]
    return rest if rest == told else rest[-1:]
