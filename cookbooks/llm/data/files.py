"""Finds the files of rows under a path, opens them unpacked, and tells what is none of them.

Rows are in JSON Lines, JSON arrays, CSV, TSV, Parquet or Arrow files; those of text may be packed by gzip or
zstd. A folder that the library ``datasets`` saved is read by the list of its ``state.json``.
"""

import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal, cast

from blut_resources.files.foreign import open_regular
from blut_resources.text import one_line
from cookbooks.llm.data.problems import DataError

TEXTS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv")
TABLES = (".parquet", ".arrow", ".feather")
PACKED = (".gz", ".zst")
SUFFIXES = (*TEXTS, *TABLES, *(f"{text}{packed}" for text in TEXTS for packed in PACKED))
STATE = "state.json"
ABOUT = re.compile(
    r"^((readme|licen[cs]e|notice|copying)(\.(md|rst|txt))?|(dataset_(info|infos|dict)|state)\.json)$", re.I
)
"""Files that describe data."""
TRAIN = re.compile(r"train(ing)?(?![a-z])", re.I)
EVAL = re.compile(r"(validation|valid|val|dev|eval|evaluation|test)(?![a-z])", re.I)

Side = Literal["train", "eval"]


def suffix_of(path: Path) -> str:
    """Returns what a file holds, by its name: one of `TEXTS` or `TABLES`, or what the name ends with."""
    inner = path.with_suffix("") if path.suffix.lower() in PACKED else path
    return inner.suffix.lower()


def data_files(root: Path) -> list[Path]:
    """Returns the data file, or those in a directory and below it, sorted;
    hidden files and folders do not count, nor files that describe data.

    Raises:
        DataError: there is none.
    """
    if root.is_file():
        return [root]
    if not root.is_dir():
        raise DataError(f"{one_line(root)}: no such file or directory")
    named = [path for path in _shown(root) if path.name.lower().endswith(SUFFIXES)]
    saved = {folder: _saved(folder) for folder in {path.parent for path in named if path.suffix == ".arrow"}}
    found = [path for path in named if not ABOUT.search(path.name) and not _is_left_over(path, saved)]
    if not found:
        raise DataError(
            f"{one_line(root)}: holds no {', '.join((*TEXTS, *TABLES))} file, in it or below: check the path"
        )
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


def unread(root: Path, files: list[Path]) -> list[str]:
    """Returns the names of the files in a directory that are not read, sorted, but for those about data."""
    if root.is_file():
        return []
    others = {path for path in _shown(root) if not ABOUT.search(path.name)} - {*files}
    return sorted(path.relative_to(root).as_posix() for path in others)


def _shown(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(root).parts):
            yield path


def _is_left_over(path: Path, saved: Mapping[Path, Collection[str] | None]) -> bool:
    """Says whether ``datasets`` left a file beside its own."""
    names = saved.get(path.parent) if path.suffix == ".arrow" else None
    return names is not None and path.name not in names


def _saved(folder: Path) -> set[str] | None:
    """Returns the files of a dataset that ``datasets`` saved there; None where it saved none."""
    state = folder / STATE
    if not state.is_file():
        return None
    try:
        with open_regular(state) as file:
            held = json.loads(file.read())
        return {str(one["filename"]) for one in held["_data_files"]}
    except (ValueError, LookupError, TypeError) as error:
        what = f"is not as datasets saves it ({error}): save the dataset again"
        raise DataError(f"{one_line(state)}: {what}") from error


def side_of(name: str) -> Side | None:
    """Returns the side of a split that a file belongs to, by its relative name or a folder in it."""
    for part in reversed(name.split("/")):
        if TRAIN.match(part):
            return "train"
        if EVAL.match(part):
            return "eval"
    return None


@contextmanager
def opened(path: Path, name: str) -> Iterator[BinaryIO]:
    """Open a file for reading, unpacked.

    Raises:
        DataError: it is torn, or packed otherwise than its name says.
    """
    with open_regular(path) as file:
        if path.suffix.lower() not in PACKED:
            yield file
            return
        try:
            yield cast(BinaryIO, gzip.GzipFile(fileobj=file) if path.suffix.lower() == ".gz" else _zstd(file))
        except (EOFError, zlib.error, OSError) as error:
            what = f"cannot be unpacked ({error}): fetch or pack it again"
            raise DataError(f"{one_line(name)}: {what}") from error


def _zstd(file: BinaryIO) -> io.BufferedReader:
    """Unpack by Arrow, which notices where the end is missing; the library zstandard does not."""
    import pyarrow as pa

    return io.BufferedReader(cast(Any, pa.CompressedInputStream(pa.PythonFile(file, "r"), "zstd")))
