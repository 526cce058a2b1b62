"""Compares this machine's clock with that of whoever keeps the files: else an age of a file means nothing."""

import contextlib
import os
import time
from pathlib import Path

SKEW_NS = 1_000_000_000
"""Nanoseconds by which the two may differ; beyond that no time of a file is believed."""
_COARSE_NS = 20_000_000
"""Times of files are this coarse, so a smaller difference is none."""
_ahead: dict[int, int] = {}


def measure(directory: Path) -> int:
    """Returns by how many nanoseconds this machine's clock is ahead, by a file that is written once a process
    and file system; 0 where nothing can be written.
    """
    with contextlib.suppress(OSError):
        device = directory.stat().st_dev
        if device not in _ahead:
            probe = directory / f".clock-{os.getpid()}-{os.urandom(6).hex()}"
            descriptor = os.open(probe, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                ahead = time.time_ns() - os.fstat(descriptor).st_mtime_ns
            finally:
                os.close(descriptor)
                probe.unlink(missing_ok=True)
            _ahead[device] = 0 if abs(ahead) < _COARSE_NS else ahead
        return _ahead[device]
    return 0


def file_time_ns(device: int) -> int | None:
    """Returns what time it is by the clock of a file system, in nanoseconds since 1970; None where nobody
    can tell, for that clock, or another one that was looked at, differs too much from this machine's.
    """
    ahead = _ahead.get(device, max(_ahead.values(), key=abs, default=0))
    return None if abs(ahead) > SKEW_NS else time.time_ns() - _ahead.get(device, 0)
