"""Reads rows out of files, each with its place. Nothing is guessed or repaired.

Files of text are UTF-8 (a byte order mark is passed over): ``.jsonl`` or ``.ndjson`` with an object a line,
``.json`` with either that or one array of objects, or CSV. Blank lines are passed over. Other tables are read
by `cookbooks.llm.data.tables`.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from blut_resources.text import one_line
from cookbooks.llm.data.files import TABLES, TEXTS, data_files, opened, suffix_of
from cookbooks.llm.data.problems import DataError, Problem, RowError, shorten
from cookbooks.llm.data.tables import read_columns, read_csv

BOM = b"\xef\xbb\xbf"
LINE = 64 << 20
"""Bytes of a row at most."""
WHOLE = 4 << 30
"""Bytes of an array at most: it is read at once."""
UNKNOWN = "write the rows as JSON Lines, Parquet or CSV"
FOREIGN = {
    b"\xff\xfe": "is UTF-16: convert it: iconv -f utf-16 -t utf-8",
    b"\xfe\xff": "is UTF-16: convert it: iconv -f utf-16 -t utf-8",
    b"\x1f\x8b": "is packed with gzip: let its name end in .gz, or unpack it",
    b"\x28\xb5\x2f\xfd": "is packed with zstd: let its name end in .zst, or unpack it",
    b"PK\x03\x04": "is a zip archive: unpack it",
    b"PAR1": "is a Parquet file: let its name end in .parquet",
    b"ARROW1": "is an Arrow file: let its name end in .arrow",
    b"SQLite format 3": "is an SQLite database: use the recipe finetune_from_conversations",
}
SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
LONE = re.compile(r"[\ud800-\udfff]")
BLANK = re.compile(r"[ \t\n\r]*")


@dataclass(frozen=True)
class Row:
    """Holds one JSON object and the place that it was read from."""

    file: str
    line: int
    value: dict[str, Any]


def read_rows(root: Path, files: list[Path] | None = None) -> Iterator[Row | Problem]:
    """Yields every row of a file or directory, in order,
    and a problem in place of each that cannot be read.

    Raises:
        DataError: a file is of another kind altogether.
    """
    for path in data_files(root) if files is None else files:
        name = path.name if root.is_file() else path.relative_to(root).as_posix()
        found = False
        for item in _read_file(path, name):
            found = True
            yield item
        if not found:
            remedy = "remove it or put rows into it"
            yield Problem(name, 1, "file", "is empty or blank", remedy, "empty file")


def _read_file(path: Path, name: str) -> Iterator[Row | Problem]:
    suffix = suffix_of(path)
    if suffix not in (*TEXTS, *TABLES):
        raise DataError(f"{one_line(name)}: the suffix is none of {', '.join((*TEXTS, *TABLES))}: {UNKNOWN}")
    if suffix in TABLES:
        if path.suffix.lower() != suffix:
            raise DataError(f"{one_line(name)}: a table that is packed as a whole: unpack it")
        for number, value in read_columns(path, name):
            yield Row(name, number, value)
        return
    with opened(path, name) as file:
        start = file.read(4096)
    _refuse_foreign(start, name)
    if suffix in (".csv", ".tsv"):
        with opened(path, name) as file:
            for item in read_csv(file, name, tabs=suffix == ".tsv"):
                yield item if isinstance(item, Problem) else Row(name, *item)
        return
    if suffix == ".json":
        first = start.removeprefix(BOM).lstrip()[:1]
        if first == b"[":
            yield from _read_array(path, name)
            return
        _refuse_single(path, name)
    yield from _read_lines(path, name)


def _refuse_foreign(start: bytes, name: str) -> None:
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise DataError(f"{one_line(name)}: {what}")
    # every other byte of plain text in UTF-16 is zero
    for at, order in ((1, "le"), (0, "be")):
        if len(start) > 3 and not any(start[at:64:2]):
            raise DataError(
                f"{one_line(name)}: is UTF-16 without a mark: convert it: iconv -f utf-16{order} -t utf-8"
            )


def _read_lines(path: Path, name: str) -> Iterator[Row | Problem]:
    with opened(path, name) as file:
        for number, raw in enumerate(_bounded(file, name), start=1):
            try:
                text = _decode(raw.removeprefix(BOM) if number == 1 else raw)
                if text.strip():
                    yield Row(name, number, _object(_parse(text.rstrip("\r\n"))))
            except RowError as error:
                yield error.at(name, number)


def _whole(path: Path, name: str) -> bytes:
    with opened(path, name) as file:
        raw = file.read(WHOLE + 1)
    if len(raw) > WHOLE:
        raise DataError(
            f"{one_line(name)}: holds more than {WHOLE >> 30} GiB in one array: write one object a line"
        )
    return raw.removeprefix(BOM)


def _bounded(file: BinaryIO, name: str) -> Iterator[bytes]:
    while raw := file.readline(LINE + 1):
        if len(raw) > LINE:
            raise DataError(
                f"{one_line(name)}: a line of more than {LINE >> 20} MiB: one row a line, and shorter"
            )
        yield raw


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        byte = f"byte {error.start + 1}"
        what = f"is not UTF-8 (0x{raw[error.start]:02X})"
        remedy = "save the file as UTF-8; if it is Latin-1: iconv -f latin1 -t utf-8"
        raise RowError("not UTF-8", byte, what, remedy) from error


def _parse(text: str) -> Any:
    try:
        value = json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        remedy = "one complete JSON object a line"
        raise RowError("broken JSON", f"column {error.colno}", error.msg, remedy) from error
    except (RecursionError, ValueError) as error:
        raise RowError("broken JSON", "line", str(error) or "nested too deep", "mend the row") from error
    _refuse_lone(text, value)
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RowError("duplicate key", key, "stands twice in one object", "keep one of the two")
        found[key] = value
    return found


def _no_constant(word: str) -> NoReturn:
    raise RowError("NaN", "value", f"{word} is not JSON", "write a number, null or a string")


def _refuse_lone(text: str, value: Any) -> None:
    if SURROGATE.search(text) and LONE.search(json.dumps(value, ensure_ascii=False)):
        what = "holds half of a surrogate pair, which no encoding can write"
        raise RowError("not UTF-8", "text", what, "remove it; the text was cut inside a character")


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        what = f"is {kind_of(value)}, not an object: {shorten(value)}"
        raise RowError("not an object", "row", what, 'each row is an object, such as {"messages": [...]}')
    return value


def _read_array(path: Path, name: str) -> Iterator[Row | Problem]:
    """Yields the objects of one JSON array, with the line that each begins on."""
    raw = _whole(path, name)
    try:
        text = _decode(raw)
    except RowError as error:
        at = int(error.where.split()[1])
        yield error.at(name, raw.count(b"\n", 0, at) + 1)
        return
    at, line, last, plain = text.index("[") + 1, 1, 0, json.JSONDecoder()
    while True:
        at = _skip(text, at)
        line, last = line + text.count("\n", last, at), at
        if text[at : at + 1] == "]":
            break
        try:
            end = plain.raw_decode(text, at)[1]
        except (ValueError, RecursionError) as error:
            yield _broken(text, name, error, line)
            return
        try:
            yield Row(name, line, _object(_parse(text[at:end])))
        except RowError as error:
            yield error.at(name, line)
        at = _skip(text, end)
        if text[at : at + 1] == ",":
            at += 1
        elif text[at : at + 1] != "]":
            remedy = "put one there, or write one object a line"
            yield RowError("broken JSON", "array", "',' or ']' is missing", remedy).at(
                name, text.count("\n", 0, at) + 1
            )
            return
    if _skip(text, at + 1) < len(text):
        number = text.count("\n", 0, at) + 1
        yield RowError("broken JSON", "array", "text follows its end", "one array a file").at(name, number)


def _skip(text: str, at: int) -> int:
    found = BLANK.match(text, at)
    return found.end() if found else at


def _broken(text: str, name: str, error: Exception, line: int) -> Problem:
    remedy = "mend the array, or write one object a line, where only the broken line is lost"
    if isinstance(error, json.JSONDecodeError):
        return Problem(name, error.lineno, f"column {error.colno}", error.msg, remedy, "broken JSON")
    what = "nested too deep" if isinstance(error, RecursionError) else str(error)
    return Problem(name, line, "array", what, remedy, "broken JSON")


def _refuse_single(path: Path, name: str) -> None:
    """Refuse one object over several lines, which would be read as as many broken lines."""
    with opened(path, name) as file:
        first = next((raw for raw in file if raw.removeprefix(BOM).strip()), b"")
    with_rows = 'write an array, or one object a line, as `jq -c ".rows[]"` does'
    try:
        json.loads(first.removeprefix(BOM))
    except (ValueError, RecursionError):
        try:
            value = json.loads(_whole(path, name))
        except (ValueError, RecursionError):
            return
        if not isinstance(value, dict):
            return
        lists = [key for key, held in value.items() if isinstance(held, list)]
        inside = f" with its rows under {lists[0]!r}" if len(lists) == 1 else ""
        raise DataError(f"{one_line(name)}: is one object{inside}, not rows: {with_rows}") from None


def kind_of(value: Any) -> str:
    """Says in words what a JSON value is."""
    names = {str: "a string", list: "a list", dict: "an object", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
