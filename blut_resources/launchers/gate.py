"""Limits how many jobs of one launcher there are at a time, of all processes of this machine."""

import contextlib
import fcntl
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blut_resources.files.private import open_file
from blut_resources.leases.place import place
from blut_resources.machine.amounts import refused
from blut_resources.settings import origin, settings

MOST = "BLUT_MAX_JOBS"
USUAL = 100
POLL_S = 0.5


def most_jobs() -> int:
    """Returns how many jobs of a launcher there may be, from $BLUT_MAX_JOBS.

    Raises:
        LimitsError: that is not a number of jobs.
    """
    text = settings().get(MOST, "").strip() or str(USUAL)
    if not re.fullmatch(r"[1-9]\d{0,5}", text):
        raise refused(origin(MOST), text, "must be a whole number of jobs, 1 or more")
    return int(text)


@contextlib.contextmanager
def a_job_of(launcher: str, waits: Callable[[int], object] = bool) -> Iterator[None]:
    """Be one of the jobs of a launcher while the block runs; wait before it until there is room for one.

    Args:
        waits: told again and again how many there may be; what it raises ends the wait.

    Raises:
        LeaseError: the directory of the leases cannot be used.
        LimitsError: $BLUT_MAX_JOBS makes no sense.
    """
    name = re.sub(r"[^\w.-]+", "-", launcher)
    files = [place() / f"jobs-{os.getuid()}-{name}.{number}" for number in range(most_jobs())]
    while (fd := first_free(files)) is None:
        waits(len(files))
        time.sleep(POLL_S)
    try:
        yield
    finally:
        os.close(fd)


def first_free(files: list[Path]) -> int | None:
    """Returns the descriptor of a file that is locked by this process now; None if all are taken."""
    for path in files:
        fd = open_file(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
        else:
            return fd
    return None
