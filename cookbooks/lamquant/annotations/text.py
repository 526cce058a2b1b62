"""Reads lists that others wrote: regular files of a bounded size, decoded, cut into lines, and numbers."""

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.foreign import NotRegular, TooLarge, read_regular
from cookbooks.lamquant.annotations.marks import MOST_MARKS, BadSource

MOST = 16 << 20
"""Bytes of a list at most."""
LONGEST = 1 << 16
"""Characters of a line at most."""
MOST_SECONDS = 1e9
NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?", re.ASCII)
CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """Holds one line and its number, from 1."""

    number: int
    text: str


def read_list(path: Path, most: int = MOST) -> bytes:
    """Returns the bytes of a list, of at most so many.

    Raises:
        BadSource: it is not a regular file, too large, or cannot be read.
    """
    try:
        return read_regular(path, most)
    except TooLarge:
        raise BadSource(f"it has more than {most >> 20} MiB", "see whether it is a list at all") from None
    except NotRegular:
        raise BadSource("it is not a regular file", "put a file in its place") from None
    except OSError as error:
        raise BadSource(f"it cannot be read ({error.strerror})", "restore it") from None


def lines_of(data: bytes) -> list[Line]:
    """Returns the lines that are not blank, of UTF-8 or Latin-1 text with any line ends.

    Raises:
        BadSource: it is not text, or a line is longer than any list has.
    """
    if data.startswith(UTF_16):
        raise BadSource("it is UTF-16", "save it as UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    if CONTROLS.search(text):
        raise BadSource("it is not text: it holds control characters", "save it as UTF-8 text")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    found = [Line(number, line) for number, line in enumerate(lines, 1) if line.strip()]
    for line in found:
        if len(line.text) > LONGEST:
            raise BadSource(f"line {line.number} has more than {LONGEST} characters")
    if len(found) > MOST_MARKS:
        raise BadSource(f"it has more than {MOST_MARKS} lines")
    return found


def seconds(text: str, what: str, line: int) -> float:
    """Returns a number of seconds.

    Raises:
        BadSource: it is none, or beyond any recording.
    """
    text = text.strip(" \t")
    if not NUMBER.fullmatch(text) or abs(float(text)) > MOST_SECONDS:
        raise BadSource(f"line {line}: {what} is not a number of seconds")
    return float(text)
