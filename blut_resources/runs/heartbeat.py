"""Leaves behind until when the process of a run lived, by no clock that somebody sets.

A run that waits says nothing for hours. Whoever finds it dead reads here how long it took.
"""

import contextlib
import os
import signal
import threading
from pathlib import Path

from blut_resources.machine import processes
from blut_resources.machine.flag import Flag
from blut_resources.runs.cancelling import is_asked
from blut_resources.runs.deadline import uptime

NAME = ".lived"
BEAT_S = 2.0
"""Seconds between two beats: what a run took is known as exactly as that."""
_beating: dict[str, Flag] = {}
os.register_at_fork(after_in_child=_beating.clear)


def start(directory: Path, run_id: str, worker: int | None = None) -> None:
    """Show in the directory of a run that it lives, until `stop` or the end of this process.

    Whoever cannot signal its process may ask for its end in that directory, too.

    Args:
        worker: the process of the run, where it is not this one.
    """
    if run_id in _beating:
        return
    with contextlib.suppress(OSError):  # no reason to end a run
        file = os.open(directory / NAME, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        _beating[run_id] = stopped = Flag()
        known = (file, stopped, directory, worker or os.getpid())
        threading.Thread(target=_beat, args=known, name="blut-heartbeat", daemon=True).start()


def stop(run_id: str) -> None:
    """Stop doing so for a run."""
    if run_id in _beating:
        _beating.pop(run_id).set()


def last(directory: Path, boot: str | None) -> tuple[float, float] | None:
    """Returns the uptime of the machine in seconds at the last beat of a run, and its time of day.

    None without a beat since that boot.
    """
    path = directory / NAME
    with contextlib.suppress(OSError, ValueError):
        passed, since = path.read_text().split()
        return (float(passed), path.stat().st_mtime) if since == boot else None
    return None


def drop(directory: Path) -> None:
    """Delete what was left in the directory of a run: its manifest has it."""
    with contextlib.suppress(OSError):
        (directory / NAME).unlink(missing_ok=True)


def _beat(file: int, stopped: Flag, directory: Path, worker: int) -> None:
    boot, ended = processes.boot_id(), False
    while True:
        # one beat that fails, on a full disk or a share that is away, must not be the last: others would take
        # the run for gone
        with contextlib.suppress(OSError):
            # of one length, so that a beat overwrites the one before whole
            os.pwrite(file, f"{uptime():020.3f} {boot}\n".encode(), 0)
        with contextlib.suppress(OSError):
            os.utime(file)  # a file server hears of what was written much later
        if not ended and is_asked(directory):
            ended = True
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGINT)
        if stopped.wait(BEAT_S):
            break
    os.close(file)
