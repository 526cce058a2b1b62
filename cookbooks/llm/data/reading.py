"""Reads rows out of JSON Lines and JSON array files, each with its place. Nothing is guessed or repaired.

Files are UTF-8 (a byte order mark is passed over), ``.jsonl`` or ``.ndjson`` with an object a line, or
``.json`` with either that or one array of objects. Blank lines are passed over.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from blut_resources.files.foreign import open_regular
from blut_resources.text import one_line
from cookbooks.llm.data.problems import DataError, Problem, RowError, shorten

SUFFIXES = (".jsonl", ".ndjson", ".json")
BOM = b"\xef\xbb\xbf"
LINE = 64 << 20
"""Bytes of a row at most."""
FOREIGN = {
    b"\xff\xfe": "is UTF-16: convert it: iconv -f utf-16 -t utf-8",
    b"\xfe\xff": "is UTF-16: convert it: iconv -f utf-16 -t utf-8",
    b"\x1f\x8b": "is compressed with gzip: unpack it",
    b"\x28\xb5\x2f\xfd": "is compressed with zstd: unpack it",
    b"PK\x03\x04": "is a zip archive: unpack it",
    b"PAR1": "is a Parquet file: write its rows as JSON Lines",
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


def data_files(root: Path) -> list[Path]:
    """Returns the data file, or those in a directory and below it, sorted;
    hidden files and folders do not count.

    Raises:
        DataError: there is none.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DataError(f"{one_line(root)}: no such file or directory")
    found = [
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and path.is_file() and not _hidden(path.relative_to(root))
    ]
    if not found:
        raise DataError(
            f"{one_line(root)}: holds no {', '.join(SUFFIXES)} file, in it or below: check the path"
        )
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def _hidden(relative: Path) -> bool:
    return any(part.startswith(".") for part in relative.parts)


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
    with open_regular(path) as file:
        start = file.read(4096)
    for magic, what in FOREIGN.items():
        if start.startswith(magic):
            raise DataError(f"{one_line(name)}: {what}")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{one_line(name)}: the suffix is none of {', '.join(SUFFIXES)}: write the rows as JSON Lines"
        )
    if path.suffix.lower() == ".json":
        first = start.removeprefix(BOM).lstrip()[:1]
        if first == b"[":
            yield from _read_array(path, name)
            return
        _refuse_single(path, name)
    yield from _read_lines(path, name)


def _read_lines(path: Path, name: str) -> Iterator[Row | Problem]:
    with open_regular(path) as file:
        for number, raw in enumerate(_bounded(file, name), start=1):
            try:
                text = _decode(raw.removeprefix(BOM) if number == 1 else raw)
                if text.strip():
                    yield Row(name, number, _object(_parse(text.rstrip("\r\n"))))
            except RowError as error:
                yield error.at(name, number)


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
    raw = path.read_bytes().removeprefix(BOM)
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
    with open_regular(path) as file:
        first = next((raw for raw in file if raw.removeprefix(BOM).strip()), b"")
    with_rows = 'write an array, or one object a line, as `jq -c ".rows[]"` does'
    try:
        json.loads(first.removeprefix(BOM))
    except (ValueError, RecursionError):
        try:
            value = json.loads(path.read_bytes().removeprefix(BOM))
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
