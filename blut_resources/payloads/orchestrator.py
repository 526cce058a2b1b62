"""Finds the processes on whose behalf this one executes a run, and whether they live.

What the UI or the daemon launches runs in a process of its own, below a code server, below `dagster dev`; a
step of the multiprocess executor runs below the run's process. Linux tells nobody that a parent has died,
and a code server whose UI is gone waits until its runs have ended.
"""

import functools
import multiprocessing
import os
import re
from pathlib import Path

from blut_resources.machine.processes import read, start_time

_PROGRAM = re.compile(r"dagster([._-]+(webserver|daemon|graphql))?|dg|blut")
_SERVICE = re.compile(r"dagster[._-]+(webserver|daemon)")
_LEADING_WORDS = 4
"""``python -m dagster dev``: a program's name is among the first words of its command line."""

_alone: set[int] = set()

Process = tuple[int, int]
"""Pid and start time, which together are never used again."""


def ended(pid: int | None = None) -> str:
    """Says which process above this one has ended since the run began; nothing while all of them live."""
    for process, what in above(pid or os.getpid()).items():
        if start_time(process[0]) != process[1]:
            return f"{what} (process {process[0]}), on whose behalf it ran, has ended"
    return ""


def work_alone() -> None:
    """Let the runs of this process outlive whatever is above it: it was detached for that."""
    _alone.add(os.getpid())


@functools.cache
def above(pid: int) -> dict[Process, str]:
    """Returns those above a process at the first call, by what they are;
    none for a run from the command line.
    """
    found: dict[Process, str] = {}
    if pid in _alone:
        return found
    spawned = multiprocessing.parent_process() is not None
    while (pid := _parent(pid)) > 1 and (spawned or _is(_PROGRAM, pid) or _is_spawned(pid)):
        _add(found, pid)
        for child in _children(pid):
            if _is(_SERVICE, child):  # `dagster dev` takes seconds to see that one of these is gone
                _add(found, child)
        spawned = _is_spawned(pid)
    return found


def _add(found: dict[Process, str], pid: int) -> None:
    started = start_time(pid)
    if started is not None:
        named = next((word for word in _words(pid) if _PROGRAM.fullmatch(word)), "a process of dagster")
        found[pid, started] = named


def _is(program: re.Pattern[str], pid: int) -> bool:
    return any(program.fullmatch(word) for word in _words(pid))


def _words(pid: int) -> list[str]:
    return [Path(word).name for word in read(f"/proc/{pid}/cmdline").split("\0")[:_LEADING_WORDS]]


def _is_spawned(pid: int) -> bool:
    return "from multiprocessing." in read(f"/proc/{pid}/cmdline")


def _parent(pid: int) -> int:
    fields = read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return int(fields[1]) if fields else 0


def _children(pid: int) -> list[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208
    except OSError:
        return []
    return [int(child) for task in tasks for child in read(f"/proc/{pid}/task/{task}/children").split()]
