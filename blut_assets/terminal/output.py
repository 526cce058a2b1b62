"""Prints for all commands: tables, JSON, sizes and times in words, and how they end when refused."""

import itertools
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from blut_resources.screen import is_plain
from blut_resources.text import one_line

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


AHEAD_S = 60.0
"""By how much clocks of machines that share a home may differ without a word."""
DAY = "%Y-%m-%d"
NARROWEST = 20
"""Characters of a line of a table at least, on however narrow a terminal."""
PROSE = 20
"""Characters below which a column of several words is not narrowed."""
GAP, INDENT, NOTHING = "  ", "    ", "-"


def columns(rows: Sequence[Mapping[str, Any]]) -> str:
    """Returns rows as aligned text with a header, no line wider than the terminal, or 80 without one.

    Cells are wrapped between words. Where that is not enough, the widest columns but the first stand below
    each row, by their names. Nothing is left out: a word longer than a line goes on in the next.

    Plain output has no columns: each cell is a line with its name, and each row begins with its first.
    """
    if is_plain():
        return "\n".join(line for row in rows for line in _facts(row))
    table = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    room = max(NARROWEST, shutil.get_terminal_size().columns)
    widths, least = _widths(table)
    inside = _inside(widths, least, room)
    widths = _fitted([widths[i] for i in inside], [least[i] for i in inside], room)
    lines: list[str] = []
    for place, cells in enumerate(table):
        for line in _wrapped([cells[i] for i in inside], widths):
            lines.append(GAP.join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip())
        for i in range(len(cells)) if place else ():
            if i not in inside and cells[i] != NOTHING:
                name = f"{table[0][i]}: " if table[0][i] else ""
                lines += _lines(f"{name}{cells[i]}", room, INDENT)
    return "\n".join(lines)


def _facts(row: Mapping[str, Any]) -> Iterator[str]:
    """Returns a row as lines, of which the first is not indented; what is empty has none."""
    cells = [(name, _cell(value)) for name, value in row.items()]
    if len(cells) == 2 and not cells[0][0]:  # a fact and its name already
        yield f"{cells[0][1]}: {cells[1][1]}"
        return
    for place, (name, cell) in enumerate(cells):
        if not place or cell != NOTHING:
            yield f"{INDENT if place else ''}{f'{name}: ' if name else ''}{cell}"


def _widths(table: Sequence[Sequence[str]]) -> tuple[list[int], list[int]]:
    """Returns how wide each column is, and how wide it is at least: as its longest word, and prose is not
    squeezed into a word a line.
    """
    columns = [*zip(*table, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    words = [max((len(word) for cell in column for word in cell.split()), default=0) for column in columns]
    return widths, [max(word, min(width, PROSE)) for word, width in zip(words, widths, strict=True)]


def _inside(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Returns the columns that stand side by side."""
    inside = [*range(len(widths))]
    while len(inside) > 1 and sum(least[i] + len(GAP) for i in inside) - len(GAP) > room:
        inside.remove(max(inside[1:], key=lambda i: widths[i]))
    return inside


def _fitted(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Shrink the widest columns until all of them fit; one that is alone may be broken."""
    fitted = [min(width, room) for width in widths]
    while sum(fitted) + len(GAP) * (len(fitted) - 1) > room:
        fitted[max((i for i in range(len(fitted)) if fitted[i] > least[i]), key=lambda i: fitted[i])] -= 1
    return fitted


def _wrapped(cells: Sequence[str], widths: Sequence[int]) -> Iterator[tuple[str, ...]]:
    parts = (_lines(cell, width) for cell, width in zip(cells, widths, strict=True))
    yield from itertools.zip_longest(*parts, fillvalue="")


def _lines(cell: str, width: int, indent: str = "") -> list[str]:
    if len(cell) <= width and not indent:
        return [cell]
    deeper = 2 * indent
    return textwrap.wrap(cell, width, initial_indent=indent, subsequent_indent=deeper, break_on_hyphens=False)


def _cell(value: Any) -> str:
    return NOTHING if value in (None, "") else one_line(value)


def listing(rows: Sequence[Mapping[str, Any]], as_json: bool, nothing: str) -> None:
    """Print rows as a table or as JSON; ``nothing`` says what to do where there are none."""
    if as_json:
        print_json(list(rows))
    else:
        typer.echo(columns(rows) if rows else nothing)


def as_next(commands: Mapping[str, str]) -> str:
    """Returns commands to type next, each with what it does, as this one was typed: ``blut``, or its path."""
    typed = sys.argv[0] if Path(sys.argv[0]).name == "blut" and not _is_on_path(sys.argv[0]) else "blut"
    shown = {command.replace("blut", typed, 1): what for command, what in commands.items()}
    if is_plain():
        return "\n".join(["next:", *(f"{INDENT}{what}: {command}" for command, what in shown.items())])
    width = max(map(len, shown))
    return "\n".join(["next:", *(f"  {command:{width}}  {what}" for command, what in shown.items())])


def _is_on_path(command: str) -> bool:
    found = shutil.which("blut")
    return found is not None and Path(found).resolve() == Path(command).resolve()


def print_json(value: Any) -> None:
    """Print a value as `as_json`."""
    typer.echo(as_json(value, indent=1))


def as_json(value: Any, indent: int | None = None) -> str:
    """Returns JSON in ASCII; numbers that it has no word for are text."""
    # it lets DEL stand, the only control character that it does
    return json.dumps(_plain(value), indent=indent, default=str).replace("\x7f", "\\u007f")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return str(value) if isinstance(value, float) and value - value != 0 else value


def wrong(message: str) -> NoReturn:
    """End with status 2: what was asked makes no sense."""
    typer.echo(message, err=True)
    sys.exit(2)


def failed(message: str) -> NoReturn:
    """End with status 1: it made sense, and did not work."""
    typer.echo(message, err=True)
    sys.exit(1)


def size(n_bytes: float | None) -> str:
    """Returns text such as ``1.2 GB``; decimal units, as disks are sold."""
    if n_bytes is None:
        return "-"
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:.1f} {name}"
    return f"{n_bytes:.0f} bytes"


def counted(number: int, thing: str) -> str:
    """Returns text such as ``1 artifact``, ``3 artifacts``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def duration(seconds: float | None) -> str:
    """Returns text such as ``0.4 s``, ``72 s``, ``14:05`` in minutes, ``3:20:00`` in hours."""
    if seconds is None:
        return "-"
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def ago(then: float | None) -> str:
    """Says how long ago a time in seconds since 1970 was; one ahead of the clock is told as that."""
    if not then:
        return "-"
    seconds = time.time() - then
    if seconds < -AHEAD_S:
        return "in the future"
    seconds = max(0.0, seconds)
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{seconds / unit:.0f} {name} ago"
    return f"{seconds:.0f} s ago"


class LineTimes:
    """Writes the time of day before each line, and the date before the first line of another day."""

    def __init__(self, today: float | None = None) -> None:
        """Take today, or the day of a time in seconds since 1970, for the one that needs no date."""
        self._day = time.strftime(DAY, time.localtime(today))

    def line(self, t: float, text: str) -> str:
        """Returns a line that happened at a time in seconds since 1970, below a date if that has changed."""
        try:
            there = time.localtime(t)
        except (OverflowError, ValueError, OSError):  # a clock that shows no time of this world
            return f"--:--:-- {text}"
        before, self._day = self._day, time.strftime(DAY, there)
        date = f"{self._day}\n" if self._day != before else ""
        return f"{date}{time.strftime('%H:%M:%S', there)} {text}"


def moment(t: float | None) -> str:
    """Returns a time in seconds since 1970, as the clock on the wall has it."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(t)) if t else "-"


def numbers(values: Mapping[str, Any]) -> str:
    """Returns text such as ``loss=0.12 r=0.98``."""
    return " ".join(
        f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )
