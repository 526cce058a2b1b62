"""Writes and reads the file of a verdict that travels: a zip whose bytes follow from its members.

Members lie uncompressed, sorted, with one fixed time: the same verdict is the same file everywhere, and
whatever is changed in it, be it only a header, is found and named.
"""

import hashlib
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import IO

MOST_MEMBERS = 100_000
MANIFEST, SIGNATURE, SIGNER = "manifest.json", "manifest.sig", "signer.pem"
UNSIGNED = (MANIFEST, SIGNATURE, SIGNER)
SMALL = 16 << 20
"""Bytes of a manifest at most; what it names may be larger, as it says."""
CHUNK = 1 << 20
EPOCH = (1980, 1, 1, 0, 0, 0)


class BundleFault(Exception):
    """Says that a file is not the verdict that somebody signed, and names the member."""


def write_zip(file: IO[bytes], members: Mapping[str, Path | bytes]) -> None:
    """Write members by name, in the order of their names."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED, strict_timestamps=True) as archive:
        for name in sorted(members):
            content = members[name]
            size = len(content) if isinstance(content, bytes) else content.stat().st_size
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr, info.file_size = 3, 0o100644 << 16, size
            with archive.open(info, "w", force_zip64=size >= 1 << 31) as into:
                if isinstance(content, bytes):
                    into.write(content)
                    continue
                with content.open("rb") as source:
                    while data := source.read(CHUNK):
                        into.write(data)


def digest_of(content: Path | bytes) -> dict[str, int | str]:
    """Returns ``bytes`` and ``sha256`` of a member, as its manifest has them."""
    if isinstance(content, bytes):
        return {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with content.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": content.stat().st_size, "sha256": found}


class Reader:
    """Reads members of a file that somebody sent.

    Raises:
        BundleFault: it is not a zip, or has a name twice, one that leads out, a link, or compressed data.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        try:
            self._archive = zipfile.ZipFile(file)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise BundleFault(f"the file is no zip, or only a part of one: {error}") from error
        self._infos: dict[str, zipfile.ZipInfo] = {}
        if len(self._archive.infolist()) > MOST_MEMBERS:
            raise BundleFault(f"the file has more than {MOST_MEMBERS} members")
        for info in self._archive.infolist():
            self._infos[_checked(info, self._infos)] = info

    @property
    def names(self) -> list[str]:
        """Returns the names of all members, sorted."""
        return sorted(self._infos)

    def read(self, name: str) -> bytes:
        """Returns a small member. Raises BundleFault if it is missing, too large, or torn."""
        info = self._infos.get(name)
        if info is None:
            raise BundleFault(f"{name}: is missing")
        if info.file_size > SMALL:
            raise BundleFault(f"{name}: has {info.file_size} bytes, more than {SMALL}")
        return b"".join(self._chunks(info))

    def unpack(self, name: str, told: Mapping[str, int | str], target: Path) -> None:
        """Write a member below ``target``, if it is what was told of it. Raises BundleFault."""
        info = self._infos.get(name)
        if info is None:
            raise BundleFault(f"{name}: is missing")
        if info.file_size != told["bytes"]:
            raise BundleFault(f"{name}: has {info.file_size} bytes, signed were {told['bytes']}")
        path, hashed = target / name, hashlib.sha256()
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as into:
            for data in self._chunks(info):
                hashed.update(data)
                into.write(data)
        if hashed.hexdigest() != told["sha256"]:
            raise BundleFault(f"{name}: its bytes are not those that were signed")

    def _chunks(self, info: zipfile.ZipInfo) -> Iterable[bytes]:
        left = info.file_size
        try:
            with self._archive.open(info) as member:
                while data := member.read(min(CHUNK, left + 1)):
                    left -= len(data)
                    if left < 0:
                        raise BundleFault(f"{info.filename}: is longer than its header says")
                    yield data
        except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
            raise BundleFault(f"{info.filename}: is damaged: {error}") from error
        if left:
            raise BundleFault(f"{info.filename}: is cut off")

    def refuse_other_bytes(self, members: Mapping[str, Path | bytes]) -> None:
        """See that the file is what these members make, in every byte. Raises BundleFault."""
        with tempfile.TemporaryFile() as fresh:
            write_zip(fresh, members)
            fresh.seek(0)
            self._file.seek(0)
            offset = 0
            while (ours := fresh.read(CHUNK)) == (theirs := self._file.read(CHUNK)):
                if not ours:
                    return
                offset += len(ours)
        offset += next((n for n, pair in enumerate(zip(ours, theirs, strict=False)) if pair[0] != pair[1]), 0)
        raise BundleFault(f"{self._holding(offset)}: byte {offset} of the file is not what was written")

    def _holding(self, offset: int) -> str:
        """Returns the member in whose part of the file a byte lies;
        behind the last one is the table of contents.
        """
        if offset >= self._archive.start_dir:
            return "the table of contents"
        before = [info for info in self._infos.values() if info.header_offset <= offset]
        return (
            max(before, key=lambda info: info.header_offset).filename if before else "the start of the file"
        )


def _checked(info: zipfile.ZipInfo, known: Mapping[str, zipfile.ZipInfo]) -> str:
    name, shown = info.orig_filename, ascii(info.orig_filename)[:200]
    path = PurePosixPath(name)
    if name != info.filename or path.is_absolute() or not name.isprintable() or "\\" in name or ":" in name:
        raise BundleFault(f"{shown}: is no plain name of a member")
    if not path.parts or any(part in ("..", ".", "") for part in name.split("/")):
        raise BundleFault(f"{shown}: leads out of the file's own directory")
    if name in known:
        raise BundleFault(f"{shown}: is there twice")
    if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
        raise BundleFault(f"{shown}: is compressed, which no member is")
    if info.external_attr >> 16 != 0o100644:
        raise BundleFault(f"{shown}: is no plain file")
    return name
