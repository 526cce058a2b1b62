"""Reads LMA1 and LMA2 archives without loading them; `writer` writes LMA1. Independent implementation.

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
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cookbooks.lamquant.formats.extent import Extent, extent_of_bytes, extent_of_file
from cookbooks.lamquant.formats.lma.manifest import LmaError, LmaRecord, check_layout, parse_manifest

__all__ = ["LmaArchive", "LmaError", "LmaRecord", "parse_lma", "read_lma"]

Method = Literal["lml", "zstd", "store"]

LEVEL = 9
MAX_MANIFEST = 256 << 20
MAX_MANIFEST_STORED = 16 << 20
RAW = 1 << 31
HEAD = struct.Struct("<4sIII")
_TAIL2 = struct.Struct("<II4s")
DIGEST = 32


@dataclass(frozen=True)
class LmaArchive:
    """Holds a verified archive: trailing digest, manifest, and every size and name have been checked."""

    source: str
    records: dict[str, LmaRecord]
    _payloads: Extent

    @property
    def names(self) -> list[str]:
        """Returns the entry names, sorted."""
        return sorted(self.records)

    def extent(self, name: str) -> Extent:
        """Returns the bytes of an LML1 container, to be read where they lie in the archive.

        The archive's digest and the container's own checksums stand for them. A container that was
        compressed once more is taken into memory.

        Raises:
            LmaError: no such entry, or it is something else.
        """
        record, where = self._record(name)
        if record.method == "zstd":
            return extent_of_bytes(self.read(name))
        if record.method not in ("lml", "store"):
            raise LmaError(f"{where}: method {record.method!r} is not implemented (lml, zstd, store are)")
        stored = self._payloads.part(record.offset, record.compressed_size)
        check_lml(stored, where)
        return stored

    def read(self, name: str, *, limit: int = 2 << 30) -> bytes:
        """Returns the original bytes of an entry (``store``, ``zstd``), or its LML1 container (``lml``).

        Args:
            name: entry name.
            limit: refuse an entry that would become larger than this many bytes in memory.

        Raises:
            LmaError: no such entry, unknown method, or content that contradicts the manifest.
        """
        record, where = self._record(name)
        if max(record.compressed_size, record.original_size if record.method == "zstd" else 0) > limit:
            raise LmaError(f"{where}: larger than the limit of {limit} bytes")
        stored = self._payloads.part(record.offset, record.compressed_size)
        if record.method == "lml":
            check_lml(stored, where)
            return stored.read(0, stored.size)
        if record.method == "store":
            data = stored.read(0, stored.size)
        elif record.method == "zstd":
            data = _decompress(stored.read(0, stored.size), record.original_size, where)
        else:
            raise LmaError(f"{where}: method {record.method!r} is not implemented (lml, zstd, store are)")
        if len(data) != record.original_size or hashlib.sha256(data).hexdigest() != record.sha256:
            raise LmaError(f"{where}: content does not match its sha256 and size")
        return data

    def _record(self, name: str) -> tuple[LmaRecord, str]:
        record = self.records.get(name)
        if record is None:
            raise LmaError(f"{self.source}: no entry {name!r}")
        return record, f"{self.source}: entry {name!r}"


def read_lma(path: Path) -> LmaArchive:
    """Open and verify an archive (LMA1 or LMA2): its bytes are read once, a MiB at a time.

    Raises:
        LmaError: unreadable, truncated, altered, or unsafe.
    """
    try:
        return _parse(extent_of_file(path), Path(path).name)
    except OSError as error:
        raise LmaError(f"{path}: cannot be read: {error.strerror or error}") from error


def parse_lma(data: bytes, *, source: str = "archive") -> LmaArchive:
    """Verify the bytes of an archive; see :func:`read_lma`."""
    return _parse(extent_of_bytes(data), source)


def _parse(data: Extent, source: str) -> LmaArchive:
    if data.size < HEAD.size + DIGEST:
        raise LmaError(f"{source}: truncated, {data.size} bytes are less than an empty archive")
    magic, version, n_entries, n_manifest = HEAD.unpack(data.read(0, HEAD.size))
    if (magic, version) not in ((b"LMA1", 1), (b"LMA2", 2)):
        raise LmaError(f"{source}: magic {magic!r} version {version} is not LMA1 or LMA2")
    body = data.part(0, data.size - DIGEST)
    digest = hashlib.sha256()
    for chunk in body.chunks():
        digest.update(chunk)
    if digest.digest() != data.read(body.size, DIGEST):
        raise LmaError(f"{source}: the trailing SHA-256 does not match: truncated or altered")
    if version == 1:
        n_stored = n_manifest & ~RAW
        rest = body.part(HEAD.size, body.size)
        stored, payloads = rest.part(0, n_stored), rest.part(min(n_stored, rest.size), rest.size)
    else:
        if body.size < HEAD.size + _TAIL2.size:
            raise LmaError(f"{source}: truncated before the LMA2 footer")
        n_manifest, n_entries, mark = _TAIL2.unpack(body.read(body.size - _TAIL2.size, _TAIL2.size))
        if mark != b"LFT2":
            raise LmaError(f"{source}: footer mark {mark!r} is not b'LFT2'")
        n_stored = n_manifest & ~RAW
        rest = body.part(HEAD.size, body.size - HEAD.size - _TAIL2.size)
        at = max(0, rest.size - n_stored)
        stored, payloads = rest.part(at, n_stored), rest.part(0, at)
    if stored.size != n_stored or n_stored > (MAX_MANIFEST if n_manifest & RAW else MAX_MANIFEST_STORED):
        raise LmaError(f"{source}: manifest length {n_stored} exceeds the file or the safety limit")
    raw = stored.read(0, n_stored)
    raw = raw if n_manifest & RAW else _decompress(raw, MAX_MANIFEST, f"{source}: manifest")
    records = parse_manifest(raw, source)
    if len(records) != n_entries:
        raise LmaError(f"{source}: n_entries is {n_entries}, the manifest lists {len(records)}")
    check_layout(records, payloads.size, source)
    return LmaArchive(source, {record.path: record for record in records}, payloads)


def check_lml(stored: Extent, where: str) -> None:
    """Check that a payload is an LML1 container.

    Raises:
        LmaError: it is something else.
    """
    if stored.read(0, 4) != b"LML1":
        raise LmaError(f"{where}: method lml, but the payload is not an LML1 container")


def _decompress(stored: bytes, limit: int, where: str) -> bytes:
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
