"""Takes what a payload reports out of its messages: events, and in the Pipes protocol whatever that has."""

# How far a payload was heard is written in `consumed` *after* the event was yielded and the consumer came
# back for more. The other order would lose an event whose reader died in between; this one may deliver it
# twice, which is the lesser harm. It is not written after a step, which come by the thousand, but after the
# chunk they are in.
#
# A payload that opens `payload_session` says so, and may say events only: what else it says was forged or is
# a mistake. Any other program that speaks the Pipes protocol knows nothing of events; what it reports is
# Dagster's, and only what happens to be an event is one.

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.session import MESSAGE_MAX, SESSION
from blut_resources.payloads.events import EVENTS, MessageError, event_of
from blut_resources.payloads.tail import LOGGED, REMEDY, LineTail

MESSAGES, CONSUMED = "messages", "consumed"
KEPT = ("artifact", "diverged", "uncounted", "done")
"""Events that a new owner needs too; of the others each goes to one owner."""
NAMES_MAX = {"values": 2000, "metrics": 20_000}
"""Different names over one payload, of what its steps and of what its epochs say: each is a column, so their
number bounds what a row costs."""


class MessageTail(LineTail):
    """Takes the complete lines of the message file; ``events`` yields what they say.

    Events among the first ``skip`` lines were handed to an earlier owner of the payload.

    Attributes:
        ordinary: whether the payload is a program that knows the Pipes protocol only.
    """

    def __init__(self, path: Path, skip: int = 0) -> None:
        super().__init__(path, MESSAGE_MAX, "the payload")
        self._skip = skip
        self._names: dict[str, set[str]] = {said: set() for said in NAMES_MAX}
        self.ordinary = False

    def events(self) -> Iterator[dict[str, Any]]:
        """Yields each event once; whoever asks for the next one is done with the one before.

        After a while it ends, though there is more; ``behind`` says so then.

        Raises:
            MessageError: a line is not a message, or longer than one may be.
        """
        for method, params in self.messages():
            event = self._event(method, params)
            if event and (self._n_read > self._skip or event["event"] in KEPT):
                yield event
            if not self._whole or (event and event["event"] != "step"):
                self._note_consumed()

    def _event(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        """Returns the event that a message is; one that is none is told to Dagster."""
        if method == "report_custom_message" and (event := self._own(params.get("payload"))):
            self._count(event)
            return event
        if method == "opened" and not self.opened:
            extras = params.get("extras")
            self.ordinary = not (isinstance(extras, dict) and SESSION in extras)
        if method not in LOGGED or self._n_read > self._skip:  # a new owner is told of all else too
            self.tell(method, params)
        return None

    def _own(self, said: Any) -> dict[str, Any] | None:
        known = isinstance(said, dict) and isinstance(said.get("event"), str) and said["event"] in EVENTS
        if self.ordinary and not known:
            return None
        try:
            return event_of(said)
        except MessageError as error:
            if self.ordinary:
                return None
            raise self.error(str(error)) from None

    def _count(self, event: dict[str, Any]) -> None:
        for said, most in NAMES_MAX.items():
            known, names = self._names[said], event.get(said, ())
            if not known.issuperset(names):
                known.update(names)
                if len(known) > most:
                    raise self.error(f"more than {most} different names of {said}; {REMEDY}")

    def _note_consumed(self) -> None:
        """Keep, for whoever takes the payload over, how far it was heard:
        an event comes twice if this is missed.
        """
        with contextlib.suppress(OSError):  # the disk may be full, which is no reason to end a training
            self._path.with_name(CONSUMED).write_text(str(max(self._n_read, self._skip)))


def consumed(place: Path) -> int:
    """Returns the number of lines of a payload's messages that an earlier owner was done with."""
    with contextlib.suppress(OSError, ValueError):
        return int((place / CONSUMED).read_text())
    return 0
