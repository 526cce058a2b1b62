"""Parses the manifest of an LMA archive, and refuses what is unsafe or contradicts the file."""

import json
from dataclasses import dataclass, fields
from typing import Any

from cookbooks.lamquant.formats.lma.names import name_problem

MAX_ENTRY_BYTES = 4 << 30
MAX_ORIGINAL_BYTES = 16 << 30


class LmaError(Exception):
    """Says that an archive or an entry of it is refused, and names the file, the field and the value."""


@dataclass(frozen=True)
class LmaRecord:
    """Describes one file record of the manifest. Readers may meet methods other than those written here."""

    path: str
    original_size: int
    compressed_size: int
    method: str
    sha256: str
    offset: int


def parse_manifest(raw: bytes, source: str) -> list[LmaRecord]:
    """Returns the file records of a manifest, each checked on its own.

    Raises:
        LmaError: not the expected JSON, or a record that :func:`check_record` refuses.
    """
    try:
        value: Any = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise LmaError(f"{source}: manifest is not UTF-8 JSON: {error}") from error
    files = value.get("files") if isinstance(value, dict) else value  # older manifests are a bare list
    if not isinstance(files, list):
        raise LmaError(f"{source}: manifest has no list of files")
    return [_parse_record(item, f"{source}: manifest file {index}") for index, item in enumerate(files)]


def _parse_record(item: Any, where: str) -> LmaRecord:
    if not isinstance(item, dict):
        raise LmaError(f"{where}: not an object")
    try:
        record = LmaRecord(**{field.name: item[field.name] for field in fields(LmaRecord)})
    except KeyError as error:
        raise LmaError(f"{where}: field {error} is missing") from error
    check_record(record, where)
    return record


def check_record(record: LmaRecord, where: str) -> None:
    """Check types, ranges and the safety of the name.

    Raises:
        LmaError: naming the field and its value.
    """
    if not isinstance(record.path, str) or not isinstance(record.method, str):
        raise LmaError(f"{where}: path and method must be text")
    if problem := name_problem(record.path):
        raise LmaError(f"{where}: the name {record.path[:80]!r} {problem}")
    limits = {
        "original_size": MAX_ORIGINAL_BYTES,
        "compressed_size": MAX_ENTRY_BYTES,
        "offset": 1 << 62,
    }
    for name, limit in limits.items():
        value = getattr(record, name)
        if type(value) is not int or not 0 <= value <= limit:
            raise LmaError(f"{where}: {name} {str(value)[:40]} is not an integer in 0..{limit}")
    digest = record.sha256
    if not isinstance(digest, str) or len(digest) != 64 or set(digest) - set("0123456789abcdef"):
        raise LmaError(f"{where}: sha256 is not 64 lower-case hex digits")


def check_layout(records: list[LmaRecord], n_payload: int, source: str) -> None:
    """Check that names are unique, and that entries lie inside the payload section and do not overlap.

    Raises:
        LmaError: naming the entry.
    """
    if len({record.path for record in records}) != len(records):
        raise LmaError(f"{source}: manifest names an entry twice")
    end = 0
    for record in sorted(records, key=lambda item: (item.offset, item.compressed_size)):
        if record.offset < end:
            raise LmaError(f"{source}: entry {record.path!r} overlaps another")
        end = record.offset + record.compressed_size
        if end > n_payload:
            raise LmaError(f"{source}: entry {record.path!r} ends at {end} of {n_payload} payload bytes")
