"""Writes and reads LMA1 archives, and reads LMA2 (streaming layout). Independent implementation.

LMA1, little-endian::

    "LMA1" u32 version=1, u32 n_entries, u32 manifest bytes (top bit set: manifest is not compressed)
    manifest: zstd(JSON), payloads, SHA-256 of everything before

LMA2 moves the manifest behind the payloads (which start at byte 16) and ends with
``u32 manifest bytes, u32 n_entries, "LFT2", SHA-256``.

A manifest file record is ``{path, original_size, compressed_size, method, sha256, offset}``; ``offset``
counts from the first payload byte and ``sha256`` is of the original file. Equal entries give equal bytes
(for one version of the zstd library): records are sorted by path and carry no time.

Method ``lml`` means that the payload is an LML1 container made *from* the original file. ``sha256`` and
``original_size`` then describe that original, which the archive does not hold; :meth:`LmaArchive.read`
returns the container, whose own checksums `decode_lml` verifies.
"""

import hashlib
import io
import json
import struct
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from blut_resources.files.foreign import open_regular
from cookbooks.lamquant.formats.lma.manifest import (
    MAX_ENTRY_BYTES,
    LmaError,
    LmaRecord,
    check_layout,
    check_record,
    parse_manifest,
)
from cookbooks.lamquant.formats.lma.names import name_problem

__all__ = ["LmaArchive", "LmaEntry", "LmaError", "LmaRecord", "parse_lma", "read_lma", "write_lma"]

Method = Literal["lml", "zstd", "store"]

LEVEL = 9
MAX_MANIFEST = 256 << 20
MAX_MANIFEST_STORED = 16 << 20
_RAW = 1 << 31
_HEAD = struct.Struct("<4sIII")
_TAIL2 = struct.Struct("<II4s")
_DIGEST = 32
_COMPRESSED = frozenset(
    {".7z", ".bz2", ".flac", ".gz", ".jpg", ".lma", ".lml", ".npz", ".png", ".xz", ".zip", ".zst"}
)


@dataclass(frozen=True)
class LmaEntry:
    """Describes one file to store.

    ``method`` None stores names of compressed formats as they are and everything else as zstd where that
    is smaller. For method ``lml``, ``data`` is the LML1 container, and ``original_sha256`` (hex) and
    ``original_size`` describe the file it was made from.
    """

    name: str
    data: bytes
    method: Method | None = None
    original_sha256: str | None = None
    original_size: int | None = None


@dataclass(frozen=True)
class LmaArchive:
    """Holds a verified archive: trailing digest, manifest, and every size and name have been checked."""

    source: str
    records: dict[str, LmaRecord]
    _payloads: memoryview

    @property
    def names(self) -> list[str]:
        """Returns the entry names, sorted."""
        return sorted(self.records)

    def read(self, name: str, *, limit: int = 2 << 30) -> bytes:
        """Returns the original bytes of an entry (``store``, ``zstd``), or its LML1 container (``lml``).

        Args:
            name: entry name.
            limit: refuse an entry that would become larger than this many bytes in memory.

        Raises:
            LmaError: no such entry, unknown method, or content that contradicts the manifest.
        """
        record = self.records.get(name)
        if record is None:
            raise LmaError(f"{self.source}: no entry {name!r}")
        where = f"{self.source}: entry {name!r}"
        stored = self._payloads[record.offset : record.offset + record.compressed_size]
        if max(record.compressed_size, record.original_size if record.method == "zstd" else 0) > limit:
            raise LmaError(f"{where}: larger than the limit of {limit} bytes")
        if record.method == "lml":
            return _lml_payload(stored, where)
        if record.method == "store":
            data = bytes(stored)
        elif record.method == "zstd":
            data = _decompress(stored, record.original_size, where)
        else:
            raise LmaError(f"{where}: method {record.method!r} is not implemented (lml, zstd, store are)")
        if len(data) != record.original_size or hashlib.sha256(data).hexdigest() != record.sha256:
            raise LmaError(f"{where}: content does not match its sha256 and size")
        return data


def write_lma(path: Path, entries: list[LmaEntry]) -> None:
    """Write an LMA1 archive: complete at ``path`` or not there at all.

    Raises:
        LmaError: a name, size or entry that the format or the safety rules refuse.
    """
    from blut_resources.store.artifacts import write_atomic

    write_atomic(path, build_lma(entries))


def build_lma(entries: list[LmaEntry]) -> bytes:
    """Returns the bytes of an LMA1 archive; see :func:`write_lma`."""
    records: list[LmaRecord] = []
    payloads: list[bytes] = []
    offset = 0
    for entry in sorted(entries, key=lambda item: item.name):
        if records and records[-1].path == entry.name:
            raise LmaError(f"entry {entry.name!r}: given twice")
        record, payload = _pack(entry, offset)
        records.append(record)
        payloads.append(payload)
        offset += len(payload)
    files = [asdict(record) for record in records]
    manifest = {"compressor": "zstd", "compressor_level": LEVEL, "files": files}
    text = json.dumps(manifest, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
    stored = _compress(text)
    if len(text) > MAX_MANIFEST or len(stored) > MAX_MANIFEST_STORED:
        raise LmaError(f"manifest: {len(text)} bytes for {len(entries)} entries; use several archives")
    body = b"".join([_HEAD.pack(b"LMA1", 1, len(entries), len(stored)), stored, *payloads])
    return body + hashlib.sha256(body).digest()


def _pack(entry: LmaEntry, offset: int) -> tuple[LmaRecord, bytes]:
    where = f"entry {entry.name!r}"
    if problem := name_problem(entry.name):
        raise LmaError(f"{where}: the name {problem}")
    if len(entry.data) > MAX_ENTRY_BYTES:
        raise LmaError(f"{where}: {len(entry.data)} bytes exceed {MAX_ENTRY_BYTES}; split the recording")
    if entry.method == "lml":
        _lml_payload(memoryview(entry.data), where)
        digest, size = entry.original_sha256, entry.original_size
        if digest is None or size is None:
            raise LmaError(f"{where}: method lml needs original_sha256 and original_size")
        record = LmaRecord(entry.name, size, len(entry.data), "lml", digest, offset)
        check_record(record, where)
        return record, entry.data
    digest, size = hashlib.sha256(entry.data).hexdigest(), len(entry.data)
    if (entry.original_sha256 or digest, entry.original_size or size) != (digest, size):
        raise LmaError(f"{where}: original_sha256 or original_size differ from data; leave them out")
    method, payload = _shrink(entry)
    return LmaRecord(entry.name, size, len(payload), method, digest, offset), payload


def _shrink(entry: LmaEntry) -> tuple[Method, bytes]:
    if entry.method == "store" or (entry.method is None and Path(entry.name).suffix.lower() in _COMPRESSED):
        return "store", entry.data
    packed = _compress(entry.data)
    if entry.method is None and len(packed) >= len(entry.data):
        return "store", entry.data
    return "zstd", packed


def read_lma(path: Path) -> LmaArchive:
    """Read and verify an archive (LMA1 or LMA2).

    Raises:
        LmaError: unreadable, truncated, altered, or unsafe.
    """
    try:
        with open_regular(path) as file:
            data = file.read()
    except OSError as error:
        raise LmaError(f"{path}: cannot be read: {error.strerror or error}") from error
    return parse_lma(data, source=Path(path).name)


def parse_lma(data: bytes, *, source: str = "archive") -> LmaArchive:
    """Verify the bytes of an archive; see :func:`read_lma`."""
    if len(data) < _HEAD.size + _DIGEST:
        raise LmaError(f"{source}: truncated, {len(data)} bytes are less than an empty archive")
    magic, version, n_entries, n_manifest = _HEAD.unpack_from(data)
    if (magic, version) not in ((b"LMA1", 1), (b"LMA2", 2)):
        raise LmaError(f"{source}: magic {magic!r} version {version} is not LMA1 or LMA2")
    body = memoryview(data)[:-_DIGEST]
    if hashlib.sha256(body).digest() != data[-_DIGEST:]:
        raise LmaError(f"{source}: the trailing SHA-256 does not match: truncated or altered")
    if version == 1:
        rest = body[_HEAD.size :]
        n_stored = n_manifest & ~_RAW
        stored, payloads = rest[:n_stored], rest[n_stored:]
    else:
        if len(body) < _HEAD.size + _TAIL2.size:
            raise LmaError(f"{source}: truncated before the LMA2 footer")
        n_manifest, n_entries, mark = _TAIL2.unpack_from(body, len(body) - _TAIL2.size)
        if mark != b"LFT2":
            raise LmaError(f"{source}: footer mark {mark!r} is not b'LFT2'")
        rest = body[_HEAD.size : len(body) - _TAIL2.size]
        n_stored = n_manifest & ~_RAW
        at = max(0, len(rest) - n_stored)
        stored, payloads = rest[at:], rest[:at]
    if len(stored) != n_stored or n_stored > (MAX_MANIFEST if n_manifest & _RAW else MAX_MANIFEST_STORED):
        raise LmaError(f"{source}: manifest length {n_stored} exceeds the file or the safety limit")
    raw = bytes(stored) if n_manifest & _RAW else _decompress(stored, MAX_MANIFEST, f"{source}: manifest")
    records = parse_manifest(raw, source)
    if len(records) != n_entries:
        raise LmaError(f"{source}: n_entries is {n_entries}, the manifest lists {len(records)}")
    check_layout(records, len(payloads), source)
    return LmaArchive(source, {record.path: record for record in records}, payloads)


def _lml_payload(stored: memoryview, where: str) -> bytes:
    if stored[:4] != b"LML1":
        raise LmaError(f"{where}: method lml, but the payload is not an LML1 container")
    return bytes(stored)


def _compress(data: bytes) -> bytes:
    import zstandard

    return zstandard.ZstdCompressor(level=LEVEL).compress(data)


def _decompress(stored: memoryview, limit: int, where: str) -> bytes:
    """Decompress at most ``limit`` bytes, growing with the output rather than with what is announced."""
    import zstandard

    out = bytearray()
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(io.BytesIO(stored))
    try:
        while chunk := reader.read(1 << 20):
            out += chunk
            if len(out) > limit:
                raise LmaError(f"{where}: more than {limit} bytes after decompression")
    except zstandard.ZstdError as error:
        raise LmaError(f"{where}: damaged zstd data: {error}") from error
    return bytes(out)
