"""Passes on what a payload prints, within bounds: head and tail of a flood, and no control characters."""

import contextlib
import os
import sys
import time
from pathlib import Path

from blut_resources.machine.memory import size_text
from blut_resources.text import Output, output

BURST, TAIL, PER_S = 8 << 20, 256 << 10, 1 << 10
"""Bytes that are shown at once, of the end that always are, and that come back of the burst in a second."""
LOG_TAIL = 4000
"""Bytes of the end for a failure message."""
BLOCK = 1 << 16
_KEEP_SIZE, _PUNCH_HOLE = 1, 2


class LogTee:
    """Passes what a payload prints on to standard error.

    A flood loses its middle, which is told in its place and given back to the file system; nothing of it is
    held in memory. What a person could have read is never cut, however long the payload runs.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        self._harmless = Output()
        self._read = self._omitted = 0
        self._left, self._since, self._dry = float(BURST), time.monotonic(), False

    def pump(self) -> None:
        """Pass on what has been written by now, as far as that may be."""
        size, now = os.fstat(self._fd).st_size, time.monotonic()
        self._left = min(BURST, self._left + (now - self._since) * PER_S)
        self._since = now
        if not self._dry or self._left >= BLOCK:
            self._pass_on(min(size, self._read + int(self._left)))
        self._dry = self._read < size
        if size - self._read > TAIL + BLOCK:
            self._skip(size)

    def close(self) -> None:
        """Pass on the end. Idempotent."""
        if self._fd < 0:
            return
        size = os.fstat(self._fd).st_size
        if size - self._read > max(TAIL, self._left):
            self._skip(size)
        self._pass_on(size)
        os.close(self._fd)
        self._fd = -1

    @property
    def tail(self) -> str:
        """Returns the end of it, for a failure message."""
        size = os.fstat(self._fd).st_size
        return output(os.pread(self._fd, LOG_TAIL, max(0, size - LOG_TAIL)).decode(errors="replace"))

    def _pass_on(self, end: int) -> None:
        if self._omitted and self._read < end:
            _write(f"\n[... {size_text(self._omitted)} of output left out ...]\n".encode())
            self._omitted = 0
        while self._read < end and (chunk := os.pread(self._fd, min(BLOCK, end - self._read), self._read)):
            self._read += len(chunk)
            self._left = max(0.0, self._left - len(chunk))
            _write(self._harmless(chunk))

    def _skip(self, size: int) -> None:
        start, self._read = self._read, size - TAIL
        self._omitted += self._read - start
        _punch(self._fd, start, self._read - start)


def _write(data: bytes) -> None:
    with contextlib.suppress(OSError):  # nobody may be there to read it any more
        while data:
            data = data[os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, data) :]


def _punch(descriptor: int, start: int, length: int) -> None:
    """Give the blocks of a part back; a file system that cannot keeps them until the payload has ended."""
    import ctypes

    fallocate = getattr(ctypes.CDLL(None), "fallocate", None)
    if fallocate is not None:
        sizes = map(ctypes.c_long, (start, length))
        fallocate(descriptor, _KEEP_SIZE | _PUNCH_HOLE, *sizes)
