"""Runs and the processes behind them: who is alive, who died unnoticed, and how to end one.

Every process that executes a run, or a step of it, holds a lock on ``alive/<run id>`` from before the run is
shown as started, and has its pid and start time in that file. The kernel drops the lock when the process
ends, however violently, so nobody is ever taken for another.
"""

import contextlib
import fcntl
import os
import signal
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import dagster as dg

from blut_resources import manifest, orchestrator, orphans
from blut_resources.containment.tree import start_time
from blut_resources.instance import home_of, store_of
from blut_resources.store import file_lock

CANCEL_S = 30.0
"""Seconds that a cancelled run has to end by itself, its payload's grace period included."""
START_S = 300.0
"""Seconds that a run has from its making to its start; one that has not started is dead."""

OUTCOMES = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
    dg.DagsterRunStatus.CANCELING: "cancelled",
}

_held: dict[str, IO[str]] = {}
_reaped: set[str] = set()
"""Runs at whose first step here this process looked for dead ones."""


class NoSuchRun(LookupError):
    """No run, or more than one, has an id that begins so; the message names them."""


def hold_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Show that this process works for a run, for as long as the run or the process lives.

    At the first step of a run it also marks dead ones.
    """
    for held in set(_held) - {run_id}:
        run = instance.get_run_by_id(held)
        if run is None or run.is_finished:
            let_go(held)
    if run_id not in _held:
        hold_in(home_of(instance), run_id)
    if run_id not in _reaped:
        _reaped.add(run_id)
        reap_dead_runs(instance)


def hold_in(home: Path, run_id: str) -> None:
    """The same, for the storage of the instance in ``home``: before it shows the run as started."""
    orchestrator.above(os.getpid())
    alive = home / "alive"
    with file_lock(alive / ".lock"):
        handle = (alive / run_id).open("a")
        fcntl.flock(handle, fcntl.LOCK_SH)
        handle.write(f"{os.getpid()} {start_time(os.getpid())}\n")
        handle.flush()
        _held[run_id] = handle


def let_go(run_id: str) -> None:
    """This process does not work for a run any more: it has ended."""
    if run_id in _held:
        _held.pop(run_id).close()


def reap_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark runs as failed whose process is gone, which Dagster would show as running for ever.

    What is left of their payloads is ended, and then removed, too.
    """
    alive = _alive(instance)
    reaped = []
    # under the lock, so that a run that is just opening its file is not taken for a dead one
    with file_lock(alive / ".lock"):
        for path in sorted(alive.iterdir()):
            if path.name.startswith(".") or not _is_dead(path):
                continue
            if _report_dead(instance, path.name):
                reaped.append(path.name)
            path.unlink()
        reaped += [run_id for run_id in _never_up(instance) if _report_dead(instance, run_id)]
    orphans.end_abandoned(store_of(instance).root / "work")
    return reaped


def complete_manifest(home: Path, run: dg.DagsterRun) -> None:
    """Write down how a run has ended; one that has not was killed."""
    by = "run" if run.run_id in _held else "another process"
    manifest.complete(home, run, OUTCOMES.get(run.status, "killed"), by)


def find_run(instance: dg.DagsterInstance, prefix: str) -> dg.DagsterRun:
    """The run whose id begins with ``prefix``.

    Raises:
        NoSuchRun: if there is none, or more than one.
    """
    whole = instance.get_run_by_id(prefix)
    if whole is not None:
        return whole
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
    pids = _pids(instance, run.run_id)
    if pids:
        _signal(pids[:1], signal.SIGINT)  # the first is the run's own, and tells the others
        how = "its processes ended by themselves"
        deadline = time.monotonic() + patience_s
        while pids := _pids(instance, run.run_id):
            if time.monotonic() > deadline:
                _signal(pids, signal.SIGKILL)
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
    """Processes that work for a run now, the first one first; empty when the last of them has ended."""
    path = _alive(instance) / run_id
    if not path.exists() or _is_dead(path):
        return []
    processes = [line.split() for line in path.read_text().splitlines()]
    return [int(pid) for pid, started in processes if str(start_time(int(pid))) == started]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _never_up(instance: dg.DagsterInstance) -> list[str]:
    """Runs that were made long ago and whose process never said that it has started."""
    status = dg.DagsterRunStatus
    before = datetime.now(UTC) - timedelta(seconds=START_S)
    waiting = [status.NOT_STARTED, status.STARTING, status.CANCELING]
    runs = instance.get_runs(dg.RunsFilter(statuses=waiting, updated_before=before))
    return [run.run_id for run in runs if not (_alive(instance) / run.run_id).exists()]


def _report_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None:
        return False
    complete_manifest(home_of(instance), run)
    if run.is_finished:
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
