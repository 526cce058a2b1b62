"""Reads stretches of bytes of a file or of memory, without holding the rest."""

import os
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

from blut_resources.files.foreign import open_regular

CHUNK = 1 << 20


class Extent:
    """Gives the bytes ``start`` to ``start + size`` of something that is read where it is asked for.

    A file stays open as long as an extent of it exists, so that all is read from the file that was opened
    first, whatever happens to its name.
    """

    def __init__(self, pread: Callable[[int, int], bytes], start: int, size: int) -> None:
        self._pread, self._start = pread, start
        self.size = size

    def read(self, at: int, count: int) -> bytes:
        """Returns ``count`` bytes from ``at`` on; fewer where the extent ends before."""
        return self._pread(max(0, min(count, self.size - at)), self._start + at)

    def part(self, at: int, size: int) -> "Extent":
        """Returns a stretch of this one; it does not lead out of it."""
        return Extent(self._pread, self._start + at, max(0, min(size, self.size - at)))

    def chunks(self) -> Iterator[bytes]:
        """Yields all bytes in order, a MiB at a time."""
        for at in range(0, self.size, CHUNK):
            yield self.read(at, CHUNK)


class _OpenFile:
    """Holds a descriptor as long as somebody reads through it."""

    def __init__(self, path: Path) -> None:
        with open_regular(path) as file:
            self._descriptor = os.dup(file.fileno())
            self.size = os.fstat(self._descriptor).st_size
        weakref.finalize(self, os.close, self._descriptor)

    def read(self, count: int, at: int) -> bytes:
        parts = []
        while count > 0 and (part := os.pread(self._descriptor, count, at)):
            parts.append(part)
            count, at = count - len(part), at + len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


def extent_of_file(path: Path) -> Extent:
    """Returns all of a regular file.

    Raises:
        OSError: it cannot be opened, or is something else than a regular file.
    """
    file = _OpenFile(path)
    return Extent(file.read, 0, file.size)


def extent_of_bytes(data: bytes | memoryview) -> Extent:
    """Returns all of what is in memory."""
    view = memoryview(data)
    return Extent(lambda count, at: bytes(view[at : at + count]), 0, len(view))
