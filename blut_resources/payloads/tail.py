"""Reads the complete lines of a file that another process appends its messages to, while it does."""

# Why a file that both sides have open, and how it is read:
#
# A pipe loses what is in it when its reader dies, and a payload may outlive its run; it also blocks the
# payload when nobody reads. Sockets are refused to an isolated payload. A file keeps all, and whoever takes
# the payload over reads it from the start.
#
# What is in the file was written by code that nobody vouches for. So no read is larger than a chunk and no
# line longer than a bound, or one line without an end would fill the memory of the control plane. A line is
# not parsed before its line break is there. What is left without one at the end is `torn`, and the run fails:
# a process that exits 0 in the middle of a sentence did not say all that it had to say.
#
# A reader that is behind ends its turn after TURN_S though there is more: the loop that calls it also looks
# after the end of the process, its time and a cancel, and a flood must not keep it from that. The clock is
# looked at after each line: what is done with one may take as long as a row of the event log.

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.instance.damage import is_of_database
from blut_resources.machine.memory import size_text
from blut_resources.payloads.events import MessageError, parse
from blut_resources.text import one_line, output

CHUNK = 1 << 18
TURN_S = 0.5
"""Seconds after which a reader that does not catch up lets others look at the process."""
LOGGED = ("log", "log_external_stream")
"""Messages with text that is printed or logged as it stands: it is made harmless first."""
REMEDY = "write it to a file instead"


class LineTail(dg.PipesMessageReader):
    """Takes the complete lines of a message file, and tells Dagster of those that are for it.

    No more than one line and one chunk are in memory, whatever the file holds.

    Attributes:
        behind: whether the last turn ended before all was read.
    """

    expected_writer_count = 1  # pyright: ignore[reportAssignmentType, reportIncompatibleMethodOverride]

    def __init__(self, path: Path, longest: int, whose: str) -> None:
        """Prepare to read lines of so many bytes at most; an error says ``whose`` they are."""
        self._path, self._longest, self._whose = path, longest, whose
        self._pieces: list[bytes] = []
        self._whole: deque[bytes] = deque()
        self._n_read = 0
        self._handler: Any = None
        self._file: Any = None
        self._heard: set[str] = set()
        self.behind = False

    @contextlib.contextmanager
    def read_messages(self, handler: Any) -> Iterator[dict[str, str]]:
        self._path.touch()
        self._handler = handler
        with self._path.open("rb") as self._file:
            yield {"path": str(self._path)}

    def messages(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yields method and parameters of each message once;
        whoever asks for the next is done with the last.

        After a while it ends, though there is more; ``behind`` says so then.

        Raises:
            MessageError: a line is not a message, or longer than one may be.
        """
        ends, self.behind = time.monotonic() + TURN_S, False
        while self._whole or self._read_on():
            self._n_read += 1
            line = self._whole.popleft()
            if len(line) > self._longest:
                raise self.error(
                    f"a message of {len(line)} bytes, of {size_text(self._longest)} at most; {REMEDY}"
                )
            try:
                message = parse(line)
            except MessageError as error:
                raise self.error(str(error)) from None
            yield message
            if time.monotonic() > ends:
                self.behind = True
                return

    def events(self) -> Iterator[dict[str, Any]]:
        """Tell Dagster of each message, and yield what is nothing to Dagster: here there is no such thing."""
        for method, params in self.messages():
            self.tell(method, params)
        yield from ()

    def tell(self, method: str, params: dict[str, Any]) -> None:
        """Tell Dagster of a message, of the beginning and the end once each: it reads them without a look.

        Raises:
            MessageError: it is not what the Pipes protocol has there.
        """
        if method in ("opened", "closed") and method in self._heard:
            return
        self._heard.add(method)
        if method in LOGGED:
            params = {name: output(one) if isinstance(one, str) else one for name, one in params.items()}
        try:
            self._handler.handle_message({"method": method, "params": params})
        except Exception as error:
            if is_of_database(error):  # what cannot be kept was said well
                raise
            words = one_line(f"{method}.params: not what the Pipes protocol has there ({error!r})")
            raise self.error(words) from None

    def error(self, words: str) -> MessageError:
        """Returns the error that says on which line it was."""
        return MessageError(f"{self._whose} said on line {self._n_read}: {words}")

    @property
    def opened(self) -> bool:
        """Says whether the Pipes protocol was begun."""
        return "opened" in self._heard

    @property
    def closed(self) -> bool:
        """Says whether it was ended, as it should be."""
        return "closed" in self._heard

    @property
    def torn(self) -> int:
        """Returns the number of bytes of a message that was never finished."""
        return sum(map(len, self._pieces))

    def no_messages_debug_text(self) -> str:
        return f"Messages were expected in {self._path}."

    def _read_on(self) -> bool:
        """Read until a line is complete; says whether one is."""
        while not self._whole and (chunk := self._file.read(CHUNK)):
            *whole, rest = chunk.split(b"\n")
            if whole:
                self._whole.extend([b"".join([*self._pieces, whole[0]]), *whole[1:]])
                self._pieces = []
            self._pieces.append(rest)
            if self.torn > self._longest and not self._whole:
                self._n_read += 1
                raise self.error(f"a message of more than {size_text(self._longest)}; {REMEDY}")
        return bool(self._whole)
