"""Reads and checks the rows of a table one by one, and puts them into parts that never share a row."""

import csv
import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blut_resources.payload_kit.refuse import Refused

SYNTHETIC_FILE = "synthetic.csv"
LONGEST_LABEL = 64
Part = Literal["train", "validation", "test"]


class RowsInvalid(Refused):
    """Says that a table cannot be used; the message names file, line, column, value and remedy."""


@dataclass(frozen=True)
class Row:
    """Holds one example: its numbers, in the order of the columns, and its label."""

    numbers: tuple[float, ...]
    label: str


def table_file(table: Path) -> tuple[Path, bool]:
    """Returns the CSV file of a stored table, and whether its rows are made up.

    The user's file is stored as itself, made-up rows as a file of a fixed name in a directory: the bytes of
    the artifact say which it is, whatever has become of its facts.
    """
    return (table / SYNTHETIC_FILE, True) if table.is_dir() else (table, False)


def read_table(path: Path, label: str) -> tuple[list[str], list[Row]]:
    """Returns the names of the number columns, and the rows.

    Args:
        path: of a CSV file with a header, in UTF-8.
        label: column that holds the labels; the last one if empty.

    Raises:
        RowsInvalid: with the first thing that is wrong.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = [name.strip() for name in next(lines, [])]
            column = _label_column(header, label)
            rows = [_row(cells, header, column, lines.line_num) for cells in lines if cells]
    except (UnicodeDecodeError, csv.Error) as error:
        raise RowsInvalid(f"table: not a CSV file in UTF-8 ({error}); export it as one") from error
    return [name for name in header if name != header[column]], rows


def _label_column(header: Sequence[str], label: str) -> int:
    if len(header) < 2 or len(set(header)) != len(header) or not all(header):
        raise RowsInvalid(f"table, line 1: the header is {list(header)!r}; give two or more different names")
    if label and label not in header:
        raise RowsInvalid(f"label = {label!r}: no such column; there are {', '.join(header)}")
    return header.index(label) if label else len(header) - 1


def _row(cells: Sequence[str], header: Sequence[str], column: int, line: int) -> Row:
    if len(cells) != len(header):
        raise RowsInvalid(f"table, line {line}: {len(cells)} cells under {len(header)} names; mend the row")
    label = cells[column].strip()
    if not label or len(label) > LONGEST_LABEL or not label.isprintable():
        raise RowsInvalid(
            f"table, line {line}, column {header[column]!r} = {label!r}: a label has 1 to {LONGEST_LABEL}"
            " printable characters; mend the row or leave it out"
        )
    numbers = [_number(cells[i], header[i], line) for i in range(len(cells)) if i != column]
    return Row(tuple(numbers), label)


def _number(cell: str, name: str, line: int) -> float:
    try:
        number = float(cell)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise RowsInvalid(
            f"table, line {line}, column {name!r} = {cell!r}: not a finite number; mend the row"
            f" or leave it out, or give label = {name}, if this column has the labels"
        )
    return number


def part_of(row: Row, seed: int, validation: float, test: float) -> Part:
    """Returns the part that a row belongs to.

    It depends on the numbers of the row and the seed alone: equal rows are on one side, and rows that are
    added to a table move none of the others. The fractions are therefore met nearly, not exactly.
    """
    digest = hashlib.sha256(f"{seed}:{row.numbers!r}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < test:
        return "test"
    return "validation" if place < test + validation else "train"


def write_rows(rows: Iterable[Row]) -> bytes:
    """Returns rows as the parts of a split hold them, a line of JSON each."""
    return b"".join(json.dumps([*row.numbers, row.label]).encode() + b"\n" for row in rows)


def read_rows(path: Path) -> Iterator[Row]:
    """Yields the rows of one part."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            *numbers, label = json.loads(line)
            yield Row(tuple(numbers), label)
