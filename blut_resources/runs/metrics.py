"""Keeps the metrics of a training: a table with one row an epoch, whole and readable at any moment.

Columns are the union of what the rows name, in the order of its first appearance, behind ``INDEX``. A row is
on the disk as a line of a journal first. The table takes those in whenever they are a tenth of it or time has
passed: it is written anew beside the old one and renamed, so a kill leaves the one or the other, and all rows
together cost what a few of them do.
"""

import contextlib
import csv
import errno
import importlib.util
import io
import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.files.durable import StoreError, explained, write_atomic
from blut_resources.runs.files import STATUS, TABLES
from blut_resources.text import one_line

FORMAT = "BLUT_METRICS"
FORMATS = ("parquet", "csv")
INDEX = ("run_id", "asset", "epoch", "step", "phase", "timestamp")
"""Columns of every row; ``step`` is None where nobody counts steps, ``timestamp`` seconds since 1970."""
RESUMED_FROM = "resumed_from"
"""Column of a training that was resumed: the last epoch before the seam, in each row behind it."""
TEXT = ("run_id", "asset", "phase")

_BLOCK_MAX, _LARGEST = 1 << 30, 1 << 63
LATE, SHARE = 0.1, 20
"""Part of a table that its newest rows may be; times as long as it took to write that it is left alone."""

Row = dict[str, Any]


class TableDamaged(ValueError):
    """Says which table of metrics cannot be read, why, and where its rows are besides."""


def chosen_format() -> str:
    """Returns what ``$BLUT_METRICS`` says; else Parquet, where pyarrow is installed.

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
    """Keeps the table in a file ending in ``.parquet`` or ``.csv``; rows that are there already are kept.

    `read` tells every row at once; who reads the file without it may miss the newest tenth until `close`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rows = read(path)
        self._in_table, self._due = 0, 0.0
        self._behind = False
        self._journal = -1

    @property
    def rows(self) -> Sequence[Row]:
        """Returns all that it has, oldest first."""
        return self._rows

    def append(self, row: Mapping[str, Any]) -> None:
        """Add a row; it is on the disk when this returns.

        Raises:
            StoreError: it cannot be written; the file is as it was, and gets the row with the next one.
        """
        row = {**dict.fromkeys(INDEX), **row}
        late = len(self._rows) + 1 - self._in_table > self._in_table * LATE
        anew = self._behind or self._in_table == 0 or late or time.monotonic() > self._due
        self._rows.append(row)
        try:
            if anew:
                self._write(self._rows)
            else:
                self._note(row)
        except (OSError, StoreError):
            self._behind = True
            raise
        except BaseException:  # no room would help this row
            self._rows.pop()
            raise
        self._behind = False

    def replace(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Have these rows and no others; they are on the disk when this returns.

        Raises:
            StoreError: they cannot be written; the file is as it was, and gets them with the next one.
        """
        self._rows, self._behind = [{**dict.fromkeys(INDEX), **row} for row in rows], True
        self._write(self._rows)
        self._behind = False

    def flush(self) -> bool:
        """Write what could not be written before; says whether all of it is on the disk now."""
        if self._behind:
            with contextlib.suppress(OSError, StoreError):
                self._write(self._rows)
                self._behind = False
        return not self._behind

    def close(self) -> None:
        """Bring every row into the table. Idempotent.

        Raises:
            StoreError: it cannot be written; the rows are in the journal.
        """
        if self._behind or (self._in_table and self._in_table < len(self._rows)):
            self._write(self._rows)
            self._behind = False
        if self._journal >= 0:
            os.close(self._journal)
            self._journal = -1
            _journal(self.path).unlink(missing_ok=True)

    def _write(self, rows: Sequence[Row]) -> None:
        began = time.monotonic()
        write_atomic(self.path, _CODECS[self.path.suffix][0](rows))
        self._in_table, now = len(rows), time.monotonic()
        self._due = now + SHARE * (now - began)
        if self._journal >= 0:
            os.ftruncate(self._journal, 0)
        else:  # it may be left from somebody who was killed
            _journal(self.path).unlink(missing_ok=True)

    def _note(self, row: Row) -> None:
        line = json.dumps([len(self._rows) - 1, row]).encode() + b"\n"
        with explained(self.path):
            if self._journal < 0:
                flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                self._journal = os.open(_journal(self.path), flags, 0o666)
            end = os.fstat(self._journal).st_size
            if os.write(self._journal, line) != len(line):
                os.ftruncate(self._journal, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fdatasync(self._journal)


def columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns all names that appear, in the order of their first appearance."""
    return list(dict.fromkeys(name for row in rows for name in row))


def read(path: Path) -> list[Row]:
    """Returns the rows of a metrics file, every row with every column; none if there is no such file yet.

    Raises:
        ImportError: it is Parquet, and pyarrow is not installed.
        TableDamaged: it is not a table, or not a whole one.
    """
    path, noted, rows = Path(path), b"", []
    if path.suffix not in TABLES:
        raise TableDamaged(f"{path}: not a table of metrics; one ends in {' or '.join(TABLES)}")
    with contextlib.suppress(FileNotFoundError):
        noted = _journal(path).read_bytes()  # before the table, which may take it in meanwhile
    with contextlib.suppress(FileNotFoundError):
        data = path.read_bytes()
        try:
            rows = _CODECS[path.suffix][1](data)
        except (OSError, ValueError, csv.Error) as error:
            words = one_line(str(error) or type(error).__name__, 200)
            raise TableDamaged(
                f"{path}: damaged ({words}); its rows are in {STATUS} of its run, and `blut results ID` reads"
                " them there"
            ) from None
    for line in noted.splitlines():
        with contextlib.suppress(ValueError, TypeError):  # whoever wrote the last one was killed
            number, row = json.loads(line)
            if number == len(rows):
                rows.append(row)
    every = dict.fromkeys(columns(rows))
    return [{**every, **row} for row in rows] if noted else rows


def _journal(path: Path) -> Path:
    """Returns rows that are not in the table yet; a hidden name, for it is not a table."""
    return path.with_name(f".{path.name}.rows")


def _to_parquet(rows: Sequence[Row]) -> bytes:
    """Convert by way of CSV:
    from Python's own values, pyarrow loads pandas, which takes as long as all of this.
    """
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet

    kinds = {name: getattr(pyarrow, _kind(name, rows))() for name in columns(rows)}
    data = _to_csv(rows)
    options = {
        "convert_options": pyarrow.csv.ConvertOptions(
            column_types=kinds, null_values=[""], strings_can_be_null=True
        ),
        # no row may be longer than a block
        "read_options": pyarrow.csv.ReadOptions(block_size=min(len(data) + 1, _BLOCK_MAX)),
    }
    table = pyarrow.csv.read_csv(io.BytesIO(data), **options)
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def _kind(name: str, rows: Sequence[Row]) -> str:
    """Returns the type of a column: numbers as numbers; what is mixed with others as text."""
    values = [value for row in rows if (value := row.get(name)) is not None]
    found = {type(value) for value in values}
    if name in TEXT or not found <= {int, float, bool}:
        return "string"
    if found == {bool}:
        return "bool_"
    if bool in found:
        return "string"
    return "int64" if found == {int} and all(-_LARGEST <= value < _LARGEST for value in values) else "float64"


def _from_parquet(data: bytes) -> list[Row]:
    import pyarrow.parquet

    return pyarrow.parquet.ParquetFile(io.BytesIO(data)).read().to_pylist()


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
    """Write what is not a finite number as text: JSON, and so a plot, has no word for it."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in values.items()
    }
