"""Draws rows as lines of text as wide as the screen; a state is a word, and a colour only besides."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len, set_cell_size

from blut_resources.text import one_line

NARROW = 10
"""Columns of a screen below which nothing is drawn to fit."""
CONSOLES = ("linux", "vt100", "vt220")
"""Terminals whose fonts have few signs."""
ASCII_LEVELS = "_.-^"
BRAILLE = (0x40, 0x04, 0x02, 0x01), (0x80, 0x20, 0x10, 0x08)
"""Dots of the left and the right column of a cell, from below."""
GOOD, BAD, WAITS, HEAD, PLAIN = "good", "bad", "waits", "head", ""
TONES = {
    **dict.fromkeys(("success", "succeeded", "ok", "passed"), GOOD),
    **dict.fromkeys(("failure", "failed", "refused", "broken", "FAILED", "deadline"), BAD),
    **dict.fromkeys(("not_started", "queued", "starting", "missing", "canceling", "waits", "unknown"), WAITS),
}


@dataclass(frozen=True)
class DrawnRow:
    """Holds what is drawn of one row: its lines, which are one to the cursor.

    Attributes:
        key: of the row; the cursor stays on it when rows come and go. Empty for what cannot be chosen.
        run: the run that it is about; empty where it is about none.
        artifact: the digest of the artifact that it is about; empty where it is about none.
    """

    key: str
    lines: tuple[str, ...]
    tone: str = PLAIN
    run: str = ""
    artifact: str = ""


def tone_of(state: str) -> str:
    """Returns how a state is coloured."""
    return TONES.get(state, PLAIN)


def cut(text: str, width: int) -> str:
    """Returns one line of at most so many columns of the screen; what was cut off is told by a tilde."""
    text = one_line(text)
    return text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)).rstrip() + "~"


def wrapped(text: str, width: int, indent: str = "") -> list[str]:
    """Returns lines of at most so many columns, broken between words; those behind the first are indented."""
    found: list[str] = []
    for line in text.splitlines() or [""]:
        parts = textwrap.wrap(
            one_line(line), max(NARROW, width), subsequent_indent=indent, break_on_hyphens=False
        )
        found += parts or [""]
    return [set_cell_size(line, width).rstrip() if cell_len(line) > width else line for line in found]


def table(cells: Sequence[tuple[str, int]], last: str, width: int) -> str:
    """Returns cells, each with its columns, and behind them what has the rest of the line."""
    text = " ".join(set_cell_size(cut(cell, size), size) for cell, size in cells)
    return cut(f"{text} {last}", width).rstrip()


def speaks_braille(environment: Mapping[str, str]) -> bool:
    """Says whether a terminal has braille: its locale speaks UTF-8, and the console has none."""
    names = (environment.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG"))
    spoken = next(filter(None, names), "").lower().replace("-", "")
    return "utf8" in spoken and environment.get("TERM", "") not in CONSOLES


def sparkline(values: Sequence[float], width: int, *, braille: bool) -> str:
    """Returns a curve in so many columns at most, the newest at the right: two values a column in braille,
    else one, of four heights.
    """
    values = values[-(2 * width if braille else width) :]
    if not values or width < 1:
        return ""
    low, high = min(values), max(values)
    span = high - low if math.isfinite(high - low) and high > low else 0.0
    heights = [round(3 * (value - low) / span) if span else 0 for value in values]
    if not braille:
        return "".join(ASCII_LEVELS[height] for height in heights)
    if len(heights) % 2:
        heights.insert(0, heights[0])
    left, right = BRAILLE
    pairs = zip(heights[::2], heights[1::2], strict=True)
    return "".join(chr(0x2800 + left[a] + right[b]) for a, b in pairs)


def bar(part: float, whole: float, width: int = 10) -> str:
    """Returns how full something is, such as ``[####------]``; empty where there is no whole."""
    if whole <= 0:
        return ""
    full = min(width, max(0, round(width * part / whole)))
    return f"[{'#' * full}{'-' * (width - full)}]"


def words(value: Any) -> str:
    """Returns a value for a cell; nothing for None."""
    return "" if value is None else one_line(value)
