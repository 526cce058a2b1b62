"""Runs and the processes behind them: who is alive, who died unnoticed, and how to end one.

Every process that executes a step of a run holds a lock on ``alive/<run id>`` and has its pid in that file.
The kernel drops the lock when the process ends, however violently, so no pid is ever guessed.
"""

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path
from typing import IO

import dagster as dg

from blut_resources.instance import home_of
from blut_resources.store import file_lock

CANCEL_S = 30.0
"""Seconds that a cancelled run has to end by itself, its payload's grace period included."""

_held: dict[str, IO[str]] = {}


class NoSuchRun(LookupError):
    """No run, or more than one, has an id that begins so; the message names them."""


def hold_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Show that this process works for a run, for as long as it lives."""
    if run_id in _held:
        return
    reap_dead_runs(instance)
    alive = _alive(instance)
    with file_lock(alive / ".lock"):
        handle = (alive / run_id).open("a")
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        _held[run_id] = handle


def reap_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process is gone, which Dagster would show as running for ever."""
    alive = _alive(instance)
    if not alive.is_dir():
        return []
    # under the lock, so that a run that is just opening its file is not taken for a dead one
    with file_lock(alive / ".lock"):
        dead = [path for path in sorted(alive.iterdir()) if not path.name.startswith(".") and _is_dead(path)]
        for path in dead:
            path.unlink()
    return [path.name for path in dead if _report_dead(instance, path.name)]


def find_run(instance: dg.DagsterInstance, prefix: str) -> dg.DagsterRun:
    """The run whose id begins with ``prefix``.

    Raises:
        NoSuchRun: if there is none, or more than one.
    """
    found = [run for run in instance.get_runs() if run.run_id.startswith(prefix)] if prefix else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoSuchRun(f"no run has an id that begins with {prefix!r}")
    names = ", ".join(run.run_id[: len(prefix) + 4] for run in found[:5])
    raise NoSuchRun(f"{len(found)} runs have an id that begins with {prefix!r} ({names}); give more of it")


def cancel_run(instance: dg.DagsterInstance, run: dg.DagsterRun, patience_s: float = CANCEL_S) -> str:
    """End a run and everything it started; returns what was done, in words.

    Its processes are asked first, so that a payload can write its checkpoint; ``patience_s`` later they
    are killed.
    """
    if run.is_finished:
        return f"run {run.run_id[:8]} has ended already: {run.status.value}"
    if run.status is not dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceling(run)
    how = "there was no process to end"
    if _signal(instance, run.run_id, signal.SIGINT):
        how = "its processes ended by themselves"
        deadline = time.monotonic() + patience_s
        while _pids(instance, run.run_id):
            if time.monotonic() > deadline:
                _signal(instance, run.run_id, signal.SIGKILL)
                how = f"its processes were killed after {patience_s:.0f} s"
            time.sleep(0.1)
    again = instance.get_run_by_id(run.run_id)
    if again is not None and not again.is_finished:
        instance.report_run_canceled(again)
        _free_slots(instance, run.run_id)
    return f"run {run.run_id[:8]} is cancelled; {how}"


def _alive(instance: dg.DagsterInstance) -> Path:
    return home_of(instance) / "alive"


def _is_dead(path: Path) -> bool:
    if path.name in _held:
        return False
    with contextlib.suppress(OSError), path.open() as handle:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _pids(instance: dg.DagsterInstance, run_id: str) -> list[int]:
    """Processes that work for a run now; empty when the last of them has ended."""
    path = _alive(instance) / run_id
    if not path.exists() or _is_dead(path):
        return []
    pids = {int(line) for line in path.read_text().split()}
    return sorted(pid for pid in pids if Path(f"/proc/{pid}").exists())


def _signal(instance: dg.DagsterInstance, run_id: str, number: signal.Signals) -> bool:
    pids = _pids(instance, run_id)
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    return bool(pids)


def _report_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None or run.is_finished:
        return False
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
    else:
        message = "The process of this run died. Run the same command again to resume."
        instance.report_run_failed(run, message)
    _free_slots(instance, run_id)
    return True


def _free_slots(instance: dg.DagsterInstance, run_id: str) -> None:
    """A dead run keeps its slots of Dagster's pools for ever otherwise."""
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
