"""Reads any part of a file or of bytes in memory, from several threads at once."""

import os
import threading
import weakref
from io import FileIO
from pathlib import Path

from cookbooks.lamquant.lqc.errors import FormatError


class ByteSource:
    """Holds bytes, or an open file of which parts are read as they are asked for."""

    def __init__(self, file: str | os.PathLike[str] | bytes | bytearray | memoryview) -> None:
        self._bytes: memoryview | None = None
        if isinstance(file, bytes | bytearray | memoryview):
            self.name, self._bytes = "bytes", memoryview(file).cast("B")
            self.size = len(self._bytes)
            return
        self.name = str(Path(file))
        self._lock, self._file = threading.Lock(), FileIO(file)
        self._close = weakref.finalize(self, self._file.close)
        self.size = os.fstat(self._file.fileno()).st_size

    def read(self, at: int, count: int) -> bytes:
        """Returns ``count`` bytes from ``at``; fewer where the file ends."""
        if self._bytes is not None:
            return bytes(self._bytes[at : at + max(count, 0)])
        parts, left = [], max(min(count, self.size - at), 0)
        while left:
            part = self._part(at, left)
            if not part:
                raise FormatError(f"{self.name} became shorter while it was read")
            parts.append(part)
            at, left = at + len(part), left - len(part)
        return b"".join(parts)

    def _part(self, at: int, most: int) -> bytes:
        if hasattr(os, "pread"):  # it has no position, so a forked process may read, too
            return os.pread(self._file.fileno(), most, at)
        with self._lock:
            self._file.seek(at)
            return self._file.read(most) or b""

    def close(self) -> None:
        """Close the file; nothing can be read afterwards."""
        if self._bytes is None:
            self._close()
