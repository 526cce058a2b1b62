"""Reads small tables that users write: TSV or CSV with a header, or JSON."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.files.documents import read_json
from blut_resources.files.foreign import read_regular

MOST = 64 << 20
"""Bytes of such a file at most."""


def read_table(path: Path) -> Any:
    """Returns the rows of a TSV or CSV file as dicts by folded column, or the value of a JSON file.

    Raises:
        ValueError: it cannot be read, or is neither.
    """
    try:
        data = read_regular(path, MOST)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise ValueError(f"{path.name}: cannot be read ({why}): check the path") from error
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"["):
        return read_json(data.removeprefix(b"\xef\xbb\xbf"), path.name, MOST, distinct=True)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path.name}: is not UTF-8 text: save it as such") from error
    return _rows(text, path.name)


def _rows(text: str, name: str) -> list[dict[str, str]]:
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = next((mark for mark in "\t;," if mark in first), ",")
    rows = [
        [cell.strip() for cell in row]
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        if any(cell.strip() for cell in row)
    ]
    if not rows:
        raise ValueError(f"{name}: is empty: write a header and a line for each")
    header = [column.casefold() for column in rows[0]]
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(header):
            raise ValueError(f"{name}: row {number} has {len(row)} cells, the header {len(header)}")
    return [dict(zip(header, row, strict=True)) for row in rows[1:]]


def column(rows: Sequence[Mapping[str, str]], names: Sequence[str]) -> str | None:
    """Returns which of these columns the rows have; None if they have none of them."""
    return next((name for name in names if rows and name in rows[0]), None)
