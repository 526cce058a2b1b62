"""Reads rows out of tables: Parquet, Arrow and CSV files. A column that is null in a row is none of it."""

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from blut_resources.text import one_line
from cookbooks.llm.data.problems import DataError, Problem

AT_ONCE = 1000
"""Rows that are in memory together."""
CELL = 64 << 20
"""Characters of a CSV cell at most."""


def read_columns(path: Path, name: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yields the rows of a Parquet or Arrow file, each with its number from 1.

    Raises:
        DataError: it is torn, or of another kind.
    """
    import pyarrow as pa

    try:
        number = 0
        for batch in _batches(path):
            for start in range(0, batch.num_rows, AT_ONCE):
                for value in batch.slice(start, AT_ONCE).to_pylist():
                    number += 1
                    yield number, {key: held for key, held in value.items() if held is not None}
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{one_line(name)}: cannot be read as a table: {error}. Write it again") from error


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet

    if path.suffix.lower() == ".parquet":
        with pyarrow.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=AT_ONCE)
        return
    with pa.memory_map(str(path)) as source:
        try:
            reader: Any = pa.ipc.open_file(source)
        except pa.ArrowInvalid:  # what datasets saves is a stream
            source.seek(0)
            yield from pa.ipc.open_stream(source)
        else:
            yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def read_csv(file: BinaryIO, name: str, *, tabs: bool) -> Iterator[tuple[int, dict[str, Any]] | Problem]:
    """Yields the rows of a CSV file whose first line names the columns, each with the line it ends on.

    Cells are separated by commas, semicolons where the first line has no comma, or tabs. A list of objects in
    JSON is read as such: messages cannot be written otherwise.
    """
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    csv.field_size_limit(CELL)
    try:
        head = text.readline()
        cells = "\t" if tabs else ";" if ";" in head and "," not in head else ","
        columns = next(csv.reader([head], delimiter=cells), [])
        reader = csv.DictReader(text, columns, delimiter=cells, strict=True)
        for value in reader:
            line = reader.line_num + 1
            if None in value or None in value.values():
                what = f"has another number of cells than the first line, which names {len(columns)} columns"
                remedy = "mend the line; a cell with a comma stands in quotes"
                yield Problem(name, line, "row", what, remedy, "broken CSV")
                continue
            yield line, {key: _cell(held) for key, held in value.items()}
    except csv.Error as error:
        remedy = "mend the file: quotes in a cell are doubled"
        yield Problem(name, 1, "row", str(error), remedy, "broken CSV")
    except UnicodeDecodeError as error:
        remedy = "save the file as UTF-8; if it is Latin-1: iconv -f latin1 -t utf-8"
        yield Problem(name, 1, f"byte {error.start + 1}", "is not UTF-8", remedy, "not UTF-8")


def _cell(held: str) -> Any:
    if held[:1] != "[":
        return held
    try:
        value = json.loads(held)
    except (ValueError, RecursionError):
        return held
    return value if value and all(isinstance(one, dict) for one in value) else held
