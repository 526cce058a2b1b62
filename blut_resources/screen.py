"""Says what may be drawn on a terminal: a line that moves, or plain lines only, one fact each."""

import os
from typing import IO, Any

CLEAR = "\r\x1b[K"
"""Removes the line at the cursor, where `redraws`."""
PLAIN = "BLUT_PLAIN"


def is_plain() -> bool:
    """Says whether output is for a screen reader: by ``--plain`` of the command, or the variable."""
    return os.environ.get(PLAIN, "").strip() not in ("", "0")


def be_plain() -> None:
    """Have this process and those that it starts write plain lines, without colours."""
    os.environ[PLAIN] = os.environ["NO_COLOR"] = "1"


def redraws(stream: IO[Any]) -> bool:
    """Says whether a line of a stream may be drawn anew: a terminal that can, and is not plain."""
    return stream.isatty() and os.environ.get("TERM") != "dumb" and not is_plain()
