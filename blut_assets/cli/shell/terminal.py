"""Guards standard output and error of `blut`: whatever is written there, a terminal obeys nothing of it.

What commands print holds names that others gave: of files, models, runs, holders. Tracebacks, warnings and
the usage errors of Typer hold them too, so it is the stream that makes them harmless.
"""

import io
import sys
from typing import TextIO

from blut_resources.text import lines


class Harmless(io.TextIOWrapper):
    """Writes text of lines; bytes that are to stay what they are go to its ``buffer``."""

    def write(self, text: str, /) -> int:
        """Write it as `blut_resources.text.lines`; returns the length of what was given."""
        super().write(lines(text) if isinstance(text, str) else text)  # which is then refused, as Typer asks
        return len(text)


def use() -> None:
    """Put one in the place of each of the two streams."""
    sys.stdout, sys.stderr = _harmless(sys.stdout), _harmless(sys.stderr)


def _harmless(stream: TextIO) -> TextIO:
    if not hasattr(stream, "buffer"):  # nobody is there, or a test has put something else in its place
        return stream
    stream.flush()
    line_buffered = getattr(stream, "line_buffering", False)
    # a terminal whose encoding lacks a character gets it written out, where a command would have died of it
    return Harmless(stream.buffer, stream.encoding, "backslashreplace", line_buffering=line_buffered)
