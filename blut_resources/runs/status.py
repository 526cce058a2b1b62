"""Writes and reads the event stream of a run:
``status.jsonl``, one JSON object a line, also while it grows.

Every event has ``t`` (seconds since 1970) and ``kind``, and ``asset`` if it is about one. Lines are appended
whole, by as many processes as there are; what a killed one left of its last line is cut off by the next
writer and skipped by every reader. A full file becomes ``status.1.jsonl``, the next ``status.2.jsonl``; none
is deleted, so a position in the stream stays what it is.
"""

# Why an flock on the file itself, around each line:
#
# O_APPEND alone is not enough. It places a line at the end, but on a full disk `write` may take a part of it,
# and the next writer would glue its own line to the torn half. So whoever writes holds the lock, and looks
# whether the file ends where this process left it; if not, another process wrote, or died while it did, and
# what is behind the last line break is cut off. Without the lock that cut would take away the line that a
# living process is just writing.
#
# A lock file beside the stream would have to be kept in step with it when the stream is put aside, and would
# stay behind. Locks of `fcntl` (POSIX) would be dropped as soon as any other descriptor of the file is closed
# in this process, such as a reader's, and would not be held by a forked child.
#
# The lock is on an inode and the writers agree on a name, so after each lock `_lock` compares the two: the
# file may have been renamed by whoever filled it, and an append to the old inode would land in a part that
# readers have already passed. A full file is renamed while it is locked and never truncated: a reader's
# offset counts bytes since the start of the stream, and truncation would make it point into other lines. A
# write that fails does not raise, since an event stream is no reason to end a training; it is counted.

import contextlib
import errno
import fcntl
import json
import math
import os
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

MAX_MB = "BLUT_STATUS_MAX_MB"
STEP_EVERY_S = 1.0
"""Seconds between two step events of an asset; those between them are counted."""
CHUNK = 1 << 12
PASSING = ("step", "gauge")
"""Events that nobody misses: the next one says more."""
WAITING_MAX = 10_000
"""Events that wait for room at most; the oldest go first then."""
ENCODER = json.JSONEncoder(allow_nan=False, default=str, separators=(",", ":"))


class Status:
    """Appends events to a stream; what cannot be written ends nothing.

    On a full disk steps and gauges are lost, which a later event counts. Other events wait for room.
    """

    def __init__(self, path: Path, *, max_bytes: int | None = None) -> None:
        self._path, self._max = path, _read_max_bytes() if max_bytes is None else max_bytes
        self._name = str(path)
        self._fd, self._end, self._lost = -1, -1, 0
        self._waiting: deque[bytes] = deque(maxlen=WAITING_MAX)
        self._quiet: dict[str, _Quiet] = {}

    def write(self, kind: str, asset: str = "", *, durable: bool = False, **fields: Any) -> None:
        """Append an event now; one that is ``durable`` survives a power cut too."""
        if asset in self._quiet:
            self._flush_step(asset)
        self._write(kind, asset, fields)
        if durable and self._fd >= 0:
            with contextlib.suppress(OSError):
                os.fdatasync(self._fd)

    def step(self, asset: str, **fields: Any) -> None:
        """Append a step, if the last of the asset is long enough ago; else it may never be."""
        quiet = self._quiet.setdefault(asset, _Quiet())
        if time.monotonic() < quiet.until:
            if quiet.waiting is not None:
                quiet.skipped += 1
            quiet.waiting = fields
            return
        quiet.until = time.monotonic() + STEP_EVERY_S
        skipped, quiet.waiting, quiet.skipped = quiet.count(), None, 0
        self._write("step", asset, fields | ({"skipped": skipped} if skipped else {}))

    def close(self) -> None:
        """Write what was held back of steps. Idempotent."""
        for asset in list(self._quiet):
            self._flush_step(asset)
        self.flush()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _flush_step(self, asset: str) -> None:
        """Write the newest step before what happens after it."""
        quiet = self._quiet.pop(asset, None)
        if quiet is not None and quiet.waiting is not None:
            more = {"skipped": quiet.skipped} if quiet.skipped else {}
            self._write("step", asset, quiet.waiting | more)

    def _write(self, kind: str, asset: str, fields: dict[str, Any]) -> None:
        lost = {"lost_before": self._lost} if self._lost else {}
        event = {"t": round(time.time(), 3), "kind": kind, **({"asset": asset} if asset else {}), **lost}
        line = _encode({**event, **fields})
        if not self.flush():
            self._keep(kind, line)
            return
        try:
            self._append(line)
            self._lost = 0
        except OSError:
            self._keep(kind, line)

    def _keep(self, kind: str, line: bytes) -> None:
        if kind in PASSING:
            self._lost += 1
        else:
            self._lost = 0  # the line says how many there were
            self._waiting.append(line)

    def flush(self) -> bool:
        """Write what waits for room; says whether all of it is written now."""
        with contextlib.suppress(OSError):
            while self._waiting:
                self._append(self._waiting[0])
                self._waiting.popleft()
        return not self._waiting

    def _append(self, line: bytes) -> None:
        try:
            end = self._lock()  # in here: an interrupt may come as soon as it is locked
            if end != self._end:  # another process wrote since, or this one has not yet
                end = self._cut_torn(end)
            if end and self._max and end + len(line) > self._max:
                self._rotate()
                end = 0
            if os.write(self._fd, line) != len(line):
                os.ftruncate(self._fd, end)
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._end = end + len(line)
        finally:
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)

    def _lock(self) -> int:
        """Open and lock the file that has the name now, and give its size.

        Another process may have put it aside.
        """
        while True:
            if self._fd < 0:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
                self._end = -1
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            try:
                there = os.fstat(self._fd)
                if there.st_ino == os.stat(self._name).st_ino:  # noqa: PTH116
                    return there.st_size
            except FileNotFoundError:
                pass
            os.close(self._fd)
            self._fd = -1

    def _cut_torn(self, end: int) -> int:
        """Drop what is behind the last line break."""
        keep = end
        while keep:
            start = max(0, keep - CHUNK)
            found = os.pread(self._fd, keep - start, start).rfind(b"\n")
            if found >= 0:
                keep = start + found + 1
                break
            keep = start
        if keep < end:
            os.ftruncate(self._fd, keep)
        return keep

    def _rotate(self) -> None:
        self._path.rename(_name_part(self._path, max(_find_parts(self._path), default=0) + 1))
        fcntl.flock(self._fd, fcntl.LOCK_UN)
        os.close(self._fd)
        self._fd = -1
        self._lock()


class _Quiet:
    """Counts the steps of one asset that were not written."""

    def __init__(self) -> None:
        self.until, self.skipped = 0.0, 0
        self.waiting: dict[str, Any] | None = None

    def count(self) -> int:
        return self.skipped + (self.waiting is not None)


def read(path: Path, after: int = 0, asset: str | None = None) -> Iterator[dict[str, Any]]:
    """Yields the events of a run, oldest first, up to the last complete one; nothing if there are none.

    Each has an ``offset``, its end in bytes since the start of the stream: to go on from there later, give
    it as ``after``. With ``asset`` only those of one asset.
    """
    start, named = 0, b"" if asset is None else ENCODER.encode(asset).encode()
    for file in _open_all(Path(path)):
        with file:
            size = os.fstat(file.fileno()).st_size
            offset = max(start, after)
            file.seek(min(offset - start, size))
            for line in file:
                offset += len(line)
                if named not in line:  # each of a thousand assets looks for its own
                    continue
                event = _decode(line) if line.endswith(b"\n") else None
                if event is not None and asset in (None, event.get("asset")):
                    yield {**event, "offset": offset}
            start += size


def size(path: Path) -> int:
    """Returns the bytes of a stream, which is the ``offset`` of its last event."""
    total = 0
    for file in _open_all(Path(path)):
        with file:
            total += os.fstat(file.fileno()).st_size
    return total


def _open_all(path: Path) -> list[Any]:
    """Returns the files of a stream in their order, though the newest may be put aside meanwhile."""
    while True:
        files: list[Any] = []
        with contextlib.suppress(FileNotFoundError, NotADirectoryError, IsADirectoryError):
            files.append(path.open("rb"))
        parts = _find_parts(path)
        files[:0] = [_name_part(path, number).open("rb") for number in sorted(parts)]
        if len({os.fstat(file.fileno()).st_ino for file in files}) == len(files):
            return files
        for file in files:
            file.close()


def _find_parts(path: Path) -> set[int]:
    """Returns the numbers of the files that are full."""
    found = (other.name.split(".")[1] for other in path.parent.glob(f"{path.stem}.*{path.suffix}"))
    return {int(number) for number in found if number.isdecimal()}


def _name_part(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")


def _decode(line: bytes) -> dict[str, Any] | None:
    with contextlib.suppress(ValueError, RecursionError):
        event = json.loads(line)
        return event if _is_event(event) else None
    return None


def _is_event(event: Any) -> bool:
    """Says whether a line has what every event has; a disk may have put something else there."""
    if not isinstance(event, dict) or not isinstance(event.get("kind"), str):
        return False
    return isinstance(event.get("t"), int | float) and isinstance(event.get("asset", ""), str)


def _encode(event: dict[str, Any]) -> bytes:
    try:
        text = ENCODER.encode(event)
    except ValueError:  # JSON has no word for what is no number
        text = ENCODER.encode(_spell(event))
    return text.encode() + b"\n"


def _spell(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _spell(inner) for key, inner in value.items()}
    return [_spell(inner) for inner in value] if isinstance(value, list | tuple) else value


def _read_max_bytes() -> int:
    """Read $BLUT_STATUS_MAX_MB: 64 MB if it says nothing sensible, no end to a file if 0."""
    text = os.environ.get(MAX_MB, "64")
    return int(float(text) * 1e6) if text.replace(".", "", 1).isdecimal() and len(text) < 20 else 64_000_000
