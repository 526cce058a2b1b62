"""Writes an artifact as one stream, the same for the same files, and reads it back, proving each file.

The stream is a tar in PAX format: regular files only, in the order of their names, below ``data``, or
``data`` itself where the artifact is a single file. Of modes only the right to execute is kept, of times
and owners nothing, as the store does.
"""

import io
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

import blake3

from blut_resources.files.digest import Hashed
from blut_resources.remote.words import RemoteDamaged

DATA, BLOCK, END = "data", tarfile.BLOCKSIZE, bytes(2 * tarfile.BLOCKSIZE)
CHUNK = 1 << 20


def stream(location: Path, files: Mapping[str, Hashed]) -> Iterator[bytes]:
    """Yields the stream of an artifact.

    Args:
        location: its file or directory.
        files: size of each file by relative name; ``""`` of a single file.

    Raises:
        OSError: a file cannot be read, or has another size.
    """
    for name in sorted(files):
        with open(location / name if name else location, "rb", buffering=0) as file:  # noqa: PTH123
            status, size = os.fstat(file.fileno()), files[name].size
            yield _head(name, size, bool(status.st_mode & 0o111))
            left = size
            while left and (data := file.read(min(CHUNK, left))):
                left -= len(data)
                yield data
            if left or status.st_size != size:
                raise OSError(f"{location / name}: is {status.st_size} bytes long, not {size}")
            yield bytes(-size % BLOCK)
    yield END


def stream_size(files: Mapping[str, Hashed]) -> int:
    """Returns the bytes of the stream of an artifact."""
    heads = sum(len(_head(name, one.size, False)) for name, one in files.items())
    return heads + sum(one.size + -one.size % BLOCK for one in files.values()) + len(END)


def _head(name: str, size: int, runs: bool) -> bytes:
    member = tarfile.TarInfo(f"{DATA}/{name}" if name else DATA)
    member.size, member.mode = size, 0o755 if runs else 0o644
    return member.tobuf(tarfile.PAX_FORMAT)


def unpack(chunks: Iterator[bytes], target: Path, files: Mapping[str, Hashed]) -> None:
    """Write what a stream holds to ``target``, which is not there yet, if it is what ``files`` says.

    Raises:
        RemoteDamaged: a file is missing, superfluous, or not what its digest names.
        OSError: it cannot be written.
    """
    waiting = dict(files)
    try:
        with tarfile.open(fileobj=_Pipe(chunks), mode="r|") as tar:
            for member in tar:
                name = member.name.removeprefix(DATA).removeprefix("/")
                expected = waiting.pop(name, None)
                content = tar.extractfile(member) if member.isreg() else None
                if expected is None or content is None or member.size != expected.size or not _is_plain(name):
                    raise RemoteDamaged(f"{member.name[:200]!r} is not what the manifest says")
                path = target / name if name else target
                path.parent.mkdir(parents=True, exist_ok=True)
                if _write(path, content, 0o777 if member.mode & 0o100 else 0o666) != expected.digest:
                    raise RemoteDamaged(f"the content of {name or 'the file'} is not that of its digest")
    except (tarfile.TarError, ValueError) as error:  # a head that is wrong in its numbers or letters
        raise RemoteDamaged(f"no whole tar: {error}") from error
    if waiting:
        raise RemoteDamaged(f"{min(waiting)!r} is missing")
    if not files:
        target.mkdir()


def _is_plain(name: str) -> bool:
    """Says whether a name stays below where it is put."""
    parts = PurePosixPath(name).parts
    return not name.startswith("/") and ".." not in parts and "/".join(parts) == name and "\0" not in name


def _write(path: Path, content: io.BufferedReader | object, mode: int) -> str:
    hasher = blake3.blake3()
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode), "wb") as file:
        while data := content.read(CHUNK):  # type: ignore[union-attr]
            hasher.update(data)
            file.write(data)
    return hasher.hexdigest()


class _Pipe(io.RawIOBase):
    """Reads from chunks as from a file."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, memoryview(b"")

    def readable(self) -> bool:
        """Says that it can be read."""
        return True

    def read(self, size: int = -1) -> bytes:
        """Returns that many bytes, fewer only at the end."""
        found = bytearray()
        while len(found) < size or size < 0:
            if not self._rest:
                chunk = next(self._chunks, b"")
                if not chunk:
                    break
                self._rest = memoryview(chunk)
            taken = self._rest[: size - len(found)] if size >= 0 else self._rest
            found += taken
            self._rest = self._rest[len(taken) :]
        return bytes(found)
