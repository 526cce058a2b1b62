"""The metrics of a training: a table with one row an epoch, whole and readable at any moment.

Columns are the union of what the rows name, in the order of its first appearance, behind ``INDEX``. A row is
added by writing the table anew beside the old one and renaming it, so a kill leaves the one or the other.
"""

import contextlib
import csv
import importlib.util
import io
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.store_files import write_atomic

FORMAT = "BLUT_METRICS"
FORMATS = ("parquet", "csv")
INDEX = ("run_id", "asset", "epoch", "step", "phase", "timestamp")
"""Columns of every row; ``step`` is None where nobody counts steps, ``timestamp`` seconds since 1970."""
TEXT = ("run_id", "asset", "phase")

Row = dict[str, Any]


def chosen_format() -> str:
    """What ``$BLUT_METRICS`` says; else Parquet, where pyarrow is installed.

    Raises:
        ValueError: if it says something else.
    """
    said = os.environ.get(FORMAT) or None
    if said not in (None, *FORMATS):
        raise ValueError(f"${FORMAT}={said!r}: must be one of {', '.join(FORMATS)}")
    there = importlib.util.find_spec("pyarrow") is not None
    if said == "parquet" and not there:
        raise ValueError(
            f"${FORMAT}=parquet: pyarrow is not installed; `pip install 'blut[observability]'`, or set csv"
        )
    return said or ("parquet" if there else "csv")


class MetricLog:
    """The table in a file ending in ``.parquet`` or ``.csv``; rows that are there already are kept."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = read(path)

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; it is on the disk when this returns.

        Raises:
            StoreError: it cannot be written; the file is as it was.
        """
        rows = [*self._rows, {**dict.fromkeys(INDEX), **row}]
        write_atomic(self.path, _CODECS[self.path.suffix][0](rows))
        self._rows = rows


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """All names that appear, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def read(path: Path) -> list[Row]:
    """The rows of a metrics file, every row with every column; none if there is no such file yet.

    Raises:
        ImportError: it is Parquet, and pyarrow is not installed.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return []
    return _CODECS[Path(path).suffix][1](data)


def _to_parquet(rows: Sequence[Row]) -> bytes:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({name: _array([row.get(name) for row in rows]) for name in columns(rows)})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def _array(values: list[Any]) -> Any:
    """Numbers as numbers; a column in which kinds are mixed as text."""
    import pyarrow

    try:
        return pyarrow.array(values)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError):
        return pyarrow.array([None if value is None else str(value) for value in values])


def _from_parquet(data: bytes) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    return pyarrow.parquet.read_table(pyarrow.BufferReader(data)).to_pylist()


def _to_csv(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(rows), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def _from_csv(data: bytes) -> list[Row]:
    reader = csv.DictReader(io.StringIO(data.decode()))
    return [{name: _value(name, text) for name, text in row.items()} for row in reader]


def _value(name: str, text: str | None) -> Any:
    if not text or name in TEXT:
        return text or None
    for kind in (int, float):
        with contextlib.suppress(ValueError):
            return kind(text)
    return text


_CODECS = {".parquet": (_to_parquet, _from_parquet), ".csv": (_to_csv, _from_csv)}


def finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that are none as text: no JSON, and so no plot, has a word for them."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
