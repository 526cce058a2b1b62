"""Writes LMA1 archives; the payloads of large entries are copied from files."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from cookbooks.lamquant.formats.extent import Extent, extent_of_bytes, extent_of_file
from cookbooks.lamquant.formats.lma.archive import (
    HEAD,
    LEVEL,
    MAX_MANIFEST,
    MAX_MANIFEST_STORED,
    Method,
    check_lml,
)
from cookbooks.lamquant.formats.lma.manifest import MAX_ENTRY_BYTES, LmaError, LmaRecord, check_record
from cookbooks.lamquant.formats.lma.names import name_problem

_COMPRESSED = frozenset(
    {".7z", ".bz2", ".flac", ".gz", ".jpg", ".lma", ".lml", ".npz", ".png", ".xz", ".zip", ".zst"}
)


@dataclass(frozen=True)
class LmaEntry:
    """Describes one file to store.

    ``data`` are its bytes, or a file that has them and is stored as it is. ``method`` None stores names of
    compressed formats as they are and everything else as zstd where that is smaller. For method ``lml``,
    ``data`` is the LML1 container, and ``original_sha256`` (hex) and ``original_size`` describe the file it
    was made from. For a file that is stored as it is, ``original_sha256`` saves reading it once more.
    """

    name: str
    data: bytes | Path
    method: Method | None = None
    original_sha256: str | None = None
    original_size: int | None = None


def write_lma(path: Path, entries: Iterable[LmaEntry]) -> None:
    """Write an LMA1 archive: complete at ``path`` or not there at all.

    It is not forced to the disk: whoever reads it after a power cut finds by its digest whether it is whole.

    Raises:
        LmaError: a name, size or entry that the format or the safety rules refuse.
    """
    records: list[LmaRecord] = []
    payloads: list[Extent] = []
    offset = 0
    for entry in sorted(entries, key=lambda item: item.name):
        if records and records[-1].path == entry.name:
            raise LmaError(f"entry {entry.name!r}: given twice")
        record, payload = _pack(entry, offset)
        records.append(record)
        payloads.append(payload)
        offset += payload.size
    head = _head(records)
    temporary = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with temporary.open("wb") as file:
            digest = hashlib.sha256(head)
            file.write(head)
            for payload in payloads:
                for chunk in payload.chunks():
                    digest.update(chunk)
                    file.write(chunk)
            file.write(digest.digest())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _head(records: list[LmaRecord]) -> bytes:
    files = [asdict(record) for record in records]
    manifest = {"compressor": "zstd", "compressor_level": LEVEL, "files": files}
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    stored = _compress(text)
    if len(text) > MAX_MANIFEST or len(stored) > MAX_MANIFEST_STORED:
        raise LmaError(f"manifest: {len(text)} bytes for {len(records)} entries; use several archives")
    return HEAD.pack(b"LMA1", 1, len(records), len(stored)) + stored


def _pack(entry: LmaEntry, offset: int) -> tuple[LmaRecord, Extent]:
    where = f"entry {entry.name!r}"
    if problem := name_problem(entry.name):
        raise LmaError(f"{where}: the name {problem}")
    data = extent_of_file(entry.data) if isinstance(entry.data, Path) else extent_of_bytes(entry.data)
    if data.size > MAX_ENTRY_BYTES:
        raise LmaError(f"{where}: {data.size} bytes exceed {MAX_ENTRY_BYTES}; split the recording")
    if entry.method == "lml":
        check_lml(data, where)
        sha256, size = entry.original_sha256, entry.original_size
        if sha256 is None or size is None:
            raise LmaError(f"{where}: method lml needs original_sha256 and original_size")
        record = LmaRecord(entry.name, size, data.size, "lml", sha256, offset)
        check_record(record, where)
        return record, data
    if isinstance(entry.data, Path) and entry.original_sha256:
        record = LmaRecord(entry.name, data.size, data.size, "store", entry.original_sha256, offset)
        check_record(record, where)
        return record, data
    digest = hashlib.sha256()
    for chunk in data.chunks():
        digest.update(chunk)
    sha256, size = digest.hexdigest(), data.size
    if (entry.original_sha256 or sha256, entry.original_size or size) != (sha256, size):
        raise LmaError(f"{where}: original_sha256 or original_size differ from data; leave them out")
    method, payload = _shrink(entry, data)
    return LmaRecord(entry.name, size, payload.size, method, sha256, offset), payload


def _shrink(entry: LmaEntry, data: Extent) -> tuple[Method, Extent]:
    compressed = Path(entry.name).suffix.lower() in _COMPRESSED
    if isinstance(entry.data, Path) or entry.method == "store" or (entry.method is None and compressed):
        return "store", data
    packed = _compress(entry.data)
    if entry.method is None and len(packed) >= len(entry.data):
        return "store", data
    return "zstd", extent_of_bytes(packed)


def _compress(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(data)
