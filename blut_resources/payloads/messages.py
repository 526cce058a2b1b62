"""Reads the messages of a payload from the file that it appends them to, while it does."""

# Why a file that both sides have open, and how it is read:
#
# A pipe loses what is in it when its reader dies, and a payload may outlive its run; it also blocks the
# payload when nobody reads. Sockets are refused to an isolated payload. A file keeps all, and whoever takes
# the payload over reads it from the start: how much had been dealt with is in `consumed`. That number is
# written *after* the event was yielded and the consumer came back for more. The other order would lose an
# event whose reader died in between; this one may deliver it twice, which is the lesser harm. It is not
# written after a step, which come by the thousand, but after the chunk they are in.
#
# What is in the file was written by code that nobody vouches for. So no read is larger than a chunk and no
# line longer than a bound, or one line without an end would fill the memory of the control plane. A line is
# not parsed before its line break is there. What is left without one at the end is `torn`, and the run fails:
# a payload that exits 0 in the middle of a sentence did not say all that it had to say.
#
# A reader that is behind ends its turn after TURN_S though there is more: the loop that calls it also looks
# after the payload's end, its time and a cancel, and a payload that floods must not keep it from that.

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.payload_kit.session import MESSAGE_MAX
from blut_resources.payloads.events import MessageError, parse
from blut_resources.text import one_line

MESSAGES, CONSUMED = "messages", "consumed"
KEPT = ("artifact", "diverged", "uncounted", "done")
"""Events that a new owner needs too; of the others each goes to one owner."""
NAMES_MAX = 2000
"""Different names of values over one payload: each is a column, so their number bounds what a row costs."""
CHUNK = 1 << 18
TURN_S = 0.5
"""Seconds after which a reader that does not catch up lets others look at the payload."""


class MessageTail(dg.PipesMessageReader):
    """Takes the complete lines of the message file; ``events`` yields what they say.

    Events among the first ``skip`` lines were handed to an earlier owner of the payload. No more than one
    line and one chunk are in memory, whatever the file holds.
    """

    expected_writer_count = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, path: Path, skip: int = 0) -> None:
        self._path, self._skip, self._n_read = path, skip, 0
        self._buffer = b""
        self._handler: Any = None
        self._file: Any = None
        self._heard: set[str] = set()
        self._names: set[str] = set()
        self.behind = False

    @contextlib.contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, str]]:
        self._path.touch()
        self._handler = handler
        with self._path.open("rb") as self._file:
            yield {"path": str(self._path)}

    def events(self) -> Iterator[dict[str, Any]]:
        """Yields each event once; whoever asks for the next one is done with the one before.

        After a while it ends, though there is more; ``behind`` says so then.

        Raises:
            MessageError: a line is not a message, or longer than one may be.
        """
        ends, self.behind = time.monotonic() + TURN_S, False
        while chunk := self._file.read(CHUNK):
            *lines, self._buffer = (self._buffer + chunk).split(b"\n")
            for line in lines:
                self._n_read += 1
                yield from self._said(line)
            if len(self._buffer) > MESSAGE_MAX:
                self._n_read += 1
                raise self._error(f"a message of more than {MESSAGE_MAX >> 20} MiB; {_FILE}")
            self._note_consumed()
            if time.monotonic() > ends:
                self.behind = True
                return

    def _said(self, line: bytes) -> Iterator[dict[str, Any]]:
        old = self._n_read <= self._skip
        if len(line) > MESSAGE_MAX:
            raise self._error(f"a message of {len(line)} bytes, of {MESSAGE_MAX >> 20} MiB at most; {_FILE}")
        try:
            method, said = parse(line)
            if method == "report_custom_message":
                self._count(said)
            else:
                self._tell(method, said)
                return
        except MessageError as error:
            raise self._error(str(error)) from None
        if not old or said["event"] in KEPT:
            yield said
            if said["event"] != "step":
                self._note_consumed()

    def _tell(self, method: str, params: dict[str, Any]) -> None:
        """Tell Dagster of the beginning and the end, once each; it reads the parameters without a look."""
        if method in self._heard:
            return
        self._heard.add(method)
        try:
            self._handler.handle_message({"method": method, "params": params})
        except Exception as error:
            words = one_line(f"{method}.params: not what the Pipes protocol has there ({error!r})")
            raise MessageError(words) from None

    def _count(self, event: dict[str, Any]) -> None:
        names = event.get("values") or event.get("metrics") or ()
        if not self._names.issuperset(names):
            self._names.update(names)
            if len(self._names) > NAMES_MAX:
                raise MessageError(f"more than {NAMES_MAX} different names of values; {_FILE}")

    def _error(self, words: str) -> MessageError:
        return MessageError(f"the payload said on line {self._n_read}: {words}")

    def _note_consumed(self) -> None:
        """Keep, for whoever takes the payload over, how far it was heard:
        an event comes twice if this is missed.
        """
        with contextlib.suppress(OSError):  # the disk may be full, which is no reason to end a training
            self._path.with_name(CONSUMED).write_text(str(max(self._n_read, self._skip)))

    @property
    def torn(self) -> int:
        """Returns the number of bytes of a message that was never finished."""
        return len(self._buffer)

    def no_messages_debug_text(self) -> str:
        return f"Messages were expected in {self._path}."


_FILE = "write it to a file in `out` or `work` instead"


def consumed(place: Path) -> int:
    """Returns the number of lines of a payload's messages that an earlier owner was done with."""
    with contextlib.suppress(OSError, ValueError):
        return int((place / CONSUMED).read_text())
    return 0
