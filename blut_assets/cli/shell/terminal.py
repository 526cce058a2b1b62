"""Guards standard output and error of `blut`: whatever is written there, a terminal obeys nothing of it, and
what cannot be written ends no training.

What commands print holds names that others gave: of files, models, runs, holders. Tracebacks, warnings and
the usage errors of Typer hold them too, so it is the stream that makes them harmless.
"""

# What happens where a stream is closed, full, or nobody reads it any more:
#
# Of a command that reads and prints, standard output is all that it is for: it ends at the first word that
# cannot be written, with status 1. A command that executes a run says by `keep_on` that its status is the
# run's, and goes on without the words. Standard error is never a reason to end: what is said there is beside
# the point of a command, or says why it ends.
#
# A descriptor below 3 that was closed at the start would be given to the next file that is opened, such as a
# database, and what any library prints would be written into that. It is taken by /dev/null, opened the wrong
# way round, so that its use is an error as before.

import errno
import fcntl
import io
import os
import sys
from typing import TextIO

from blut_resources.text import lines

_WRONG_WAY = {0: os.O_WRONLY, 1: os.O_RDONLY, 2: os.O_RDONLY}
_NAMES = {0: "stdin", 1: "stdout", 2: "stderr"}

_unwritten: dict[int, OSError] = {}
"""By descriptor: what kept words from being written first."""
_kept_on: list[str] = []
"""Where else the words of this command are found, once nothing unwritten is to end it."""


class Harmless(io.TextIOWrapper):
    """Writes text of lines; bytes that are to stay what they are go to its ``buffer``."""

    def write(self, text: str, /) -> int:
        """Write it as `blut_resources.text.lines`; returns the length of what was given."""
        try:
            super().write(
                lines(text) if isinstance(text, str) else text
            )  # which is then refused, as Typer asks
        except OSError as error:
            self._missed(error)
        return len(text)

    def flush(self) -> None:
        """Write what is held back, as far as that can be."""
        try:
            super().flush()
        except OSError as error:
            self._missed(error)

    def _missed(self, error: OSError) -> None:
        _unwritten.setdefault(self.fileno(), error)
        if self.fileno() == 1 and not _kept_on:
            raise SystemExit(1)


def use() -> None:
    """Put one in the place of each of the two streams, after a closed one has got its descriptor back."""
    for number, flags in _WRONG_WAY.items():
        try:
            fcntl.fcntl(number, fcntl.F_GETFD)
        except OSError:
            # the lowest that is free, and those below it are taken
            os.open(os.devnull, flags)
            _stand_in(number)
    sys.stdout, sys.stderr = _harmless(sys.stdout), _harmless(sys.stderr)


def writable(number: int) -> bool:
    """Says whether a descriptor was open at the start for what it is for."""
    return fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE != os.O_RDONLY


def keep_on(elsewhere: str) -> None:
    """Let nothing end this process from now on because standard output cannot be written.

    Args:
        elsewhere: where its words are found, for a line on standard error.
    """
    _kept_on.append(elsewhere)


def finish(status: int) -> int:
    """Write what is held back, and say what could not be; returns the status to end with."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except SystemExit:
            status = status or 1
    error = _unwritten.get(1)
    if error is not None:
        status = status if _kept_on else status or 1
        if error.errno != errno.EPIPE:
            why = "it is closed" if error.errno == errno.EBADF else error.strerror
            why = f"blut: standard output could not be written: {why}"
            print("; ".join([why, *_kept_on[:1]]), file=sys.stderr, flush=True)
    for number in _unwritten:  # the interpreter would try again, and complain
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)
    return status


def _stand_in(number: int) -> None:
    mode = "r" if number == 0 else "w"
    stream = os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
    setattr(sys, _NAMES[number], stream)
    setattr(sys, f"__{_NAMES[number]}__", stream)


def _harmless(stream: TextIO) -> TextIO:
    if not hasattr(stream, "buffer"):  # a test has put something else in its place
        return stream
    stream.flush()
    line_buffered = getattr(stream, "line_buffering", False)
    # a terminal whose encoding lacks a character gets it written out, where a command would have died of it
    return Harmless(stream.buffer, stream.encoding, "backslashreplace", line_buffering=line_buffered)
