"""Finds the processes behind runs: who is alive, who died unnoticed, and how to end one.

Whoever works for a run has marked it, see `holding`. What such a mark is worth, also on another machine or
in another container that shares the instance, `liveness` knows: a run is dead only where that is certain. Of
runs that nobody has marked, such as those of other projects, Dagster's own monitoring takes care.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg

from blut_resources import holding
from blut_resources.boxes.beats import age_s, limit_s, silent
from blut_resources.dagster_private.events import free_slots, note_end
from blut_resources.dagster_private.steps import runs_for_another, worker
from blut_resources.files import reserve
from blut_resources.files.durable import StoreError, file_lock
from blut_resources.files.full import is_full, is_nearly_full
from blut_resources.files.modes import may_change
from blut_resources.instance.damage import explained, is_of_database
from blut_resources.instance.home import store_root
from blut_resources.instance.instance import home_of, written_by
from blut_resources.instance.sweeping import sweep
from blut_resources.machine import liveness
from blut_resources.machine.amounts import duration_text
from blut_resources.machine.processes import boot_id
from blut_resources.payloads import orphans
from blut_resources.runs import tracking
from blut_resources.runs.cancelling import ask, give_time, whose
from blut_resources.runs.files import run_dir
from blut_resources.runs.job_tags import with_job_tags
from blut_resources.runs.removal import remove_files
from blut_resources.runs.unsaid import word_of
from blut_resources.working import alive_in, all_out_of_sight, beats, marks, out_of_sight, workers

CANCEL_S = 30.0
"""Seconds that a cancelled run has to end by itself, its payload's grace period included."""
TELL_S = 10.0
"""Seconds for which a command waits until a tracker was told again."""
OWN_S = 20.0
"""What of it is for the run itself, when its payloads have ended."""
FORGOTTEN_S = 86400.0
"""Seconds for which a run that has ended stays marked by a machine that does not come back."""
DIED = "The process of this run died. Run the same command again to resume."
UNSEEN = "its machine {box} has not been seen for {limit}; the same command again resumes it"
FULL = "The disk was full, so that this run could not say how it ended. Run the same command again to resume."

LAUNCHED = (
    *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.STARTING),
    *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING),
)
"""States of a run that somebody is to execute, or does."""

_reaped: set[str] = set()
"""Runs at whose first step here this process looked for dead ones."""


class NoSuchRun(LookupError):
    """Says that no run, or more than one, has an id that begins so; the message names them."""


class OutOfReach(Exception):
    """Says that a run works where no signal of this process arrives, and where, and the remedy."""


@contextlib.contextmanager
def hold_run(context: dg.AssetExecutionContext) -> Iterator[None]:
    """Show that this process works for the run of a step, for as long as the run or the process lives.

    At the first step of a run it also marks dead ones.
    """
    instance, run, inner = context.instance, with_job_tags(context), runs_for_another(context)
    for held in holding.held() - {run.run_id}:
        other = instance.get_run_by_id(held)
        if other is None or other.is_finished:
            holding.let_go(held)
    holding.join(instance, run, inner=inner)
    if run.run_id not in _reaped:
        _reaped.add(run.run_id)
        reap_dead_runs(instance, tell_s=0)
    try:
        yield
    finally:
        if inner and worker() is None:  # this process may go on, and do other things
            holding.let_go(run.run_id)


def reap_dead_runs(instance: dg.DagsterInstance, *, tell_s: float = TELL_S) -> list[str]:
    """Mark runs as failed whose process is gone, which Dagster would show as running for ever.

    What is left of their payloads is ended, and then removed, too, and so are the files of deleted runs. A
    run whose process cannot be seen from here, on another machine or in another container, is left alone; so
    is everything where this process may not write, and, for now, where the disk is full: that is said, and
    whoever only looks sees the rest.

    Trackers that missed something of a run that has ended are told of it again, in the background; what comes
    of it within ``tell_s`` is said on standard error.
    """
    home, reaped = home_of(instance), list[str]()
    if not home.is_dir() or not may_change(home) or written_by(instance):
        return []
    try:
        _reap(instance, home, reaped)
    except Exception as error:
        if not is_full(error) and not (is_of_database(error) and is_nearly_full(home)):
            raise
        told = str(error) if isinstance(error, StoreError) else str(explained(home, error))
        print(f"blut: dead runs stay as they are for now: {told}", file=sys.stderr)
    with contextlib.suppress(Exception):  # a tracker that fails costs nobody a listing
        for sentence in tracking.tell_again(home, tell_s):
            print(sentence, file=sys.stderr)
    return reaped


def _reap(instance: dg.DagsterInstance, home: Path, reaped: list[str]) -> None:
    """Do that, and add to ``reaped`` what was marked."""
    orphans.end_abandoned(store_root(home) / "work")  # what they have said last belongs to the end
    reaped += _mark_unseen(instance, home)
    for path in marks(home / "alive"):
        # under the lock, so that a run that is just opening its file is not taken for a dead one
        with file_lock(path.with_name(".lock")):
            if _has_ended(instance, path):
                if _report_dead(instance, path.name):
                    reaped.append(path.name)
                path.unlink(missing_ok=True)
    sweep(instance)


def _mark_unseen(instance: dg.DagsterInstance, home: Path) -> list[str]:
    """Mark runs of other machines that were not seen within the limit as failed; returns which.

    Nothing of theirs is ended or removed, their marks included: such a machine may come back.
    """
    touched = {run_id: beats(home, run_id) for run_id in all_out_of_sight(instance)}
    late, found = silent(set(touched.values())), list[str]()
    for run_id, path in touched.items():
        holders = liveness.holders(home / "alive" / run_id)
        here = any(holder.boot in ("", boot_id()) for holder in holders)  # of which the kernel tells
        run = instance.get_run_by_id(run_id)
        if path not in late or here or not holders or run is None or run.is_finished:
            continue
        _report_end(instance, run, UNSEEN.format(box=holders[0].host, limit=duration_text(limit_s())))
        found.append(run_id)
    return found


def _has_ended(instance: dg.DagsterInstance, mark: Path) -> bool:
    """Says whether nobody works for a run any more; a process that made runs of steps may outlive one."""
    lives = liveness.marked(mark)
    if lives == "unknown" and (age_s(mark) or 0.0) > FORGOTTEN_S:
        run = instance.get_run_by_id(mark.name)
        return run is None or run.is_finished
    if lives == "no" or liveness.locked(mark) or not any(one.lock for one in liveness.holders(mark)):
        return lives == "no"
    run = instance.get_run_by_id(mark.name)
    return run is None or run.is_finished


def find_run(instance: dg.DagsterInstance, prefix: str) -> dg.DagsterRun:
    """Returns the run whose id begins with ``prefix``.

    Raises:
        NoSuchRun: if there is none, or more than one.
    """
    if not prefix.isprintable():  # SQLite cannot even look for half a surrogate pair
        raise NoSuchRun(f"no run has an id that begins with {prefix!r}; `blut jobs` lists them")
    whole = instance.get_run_by_id(prefix)
    if whole is not None:
        return whole
    found = [run for run in instance.get_runs() if run.run_id.startswith(prefix)] if prefix else []
    if len(found) == 1:
        return found[0]
    if not found:
        raise NoSuchRun(f"no run has an id that begins with {prefix!r}; `blut jobs` lists them")
    names = ", ".join(run.run_id[: len(prefix) + 4] for run in found[:5])
    raise NoSuchRun(f"{len(found)} runs have an id that begins with {prefix!r} ({names}); give more of it")


def cancel_run(
    instance: dg.DagsterInstance,
    run: dg.DagsterRun,
    grace_s: float | None = None,
    *,
    gone: bool = False,
    state: str = "",
) -> str:
    """End a run and everything it started; returns what was done, in words.

    Its processes are asked first, so that a payload can write its checkpoint, and killed if they do not end.

    Args:
        grace_s: seconds that each payload gets between SIGTERM and SIGKILL; what it was started with if not
            given.
        gone: somebody's word that those that cannot be seen from here live no more.
        state: what the state of the run is called, to say of one that has ended; Dagster's word if not given.

    Raises:
        StoreError: the run cannot be told how long.
        OutOfReach: it works on another machine or in another container, which cannot be asked, or does not
            answer; it is another user's; or another project's process works for it, which Dagster cannot
            reach either.
    """
    if run.is_finished:
        return f"run {run.run_id[:8]} has ended already: {state or run.status.value.lower()}"
    if not gone and run.status in LAUNCHED and not (alive_in(instance) / run.run_id).exists():
        return _cancel_by_dagster(instance, run)
    if other := written_by(instance):
        raise OutOfReach(
            f"run {run.run_id[:8]}: its history is SQLite's, and {other} alone writes it: type `blut cancel"
            f" {run.run_id[:8]}` on {other}"
        )
    hidden = out_of_sight(instance, run.run_id)
    if hidden and not gone:
        return _ask(instance, run, hidden, grace_s)
    if user := next(filter(None, map(whose, _pids(instance, run.run_id))), ""):
        raise OutOfReach(f"run {run.run_id[:8]} is at work as {user}: {user} can end it, or root")
    home, full = home_of(instance), list[str]()
    if grace_s is not None:
        give_time(home, run.run_id, grace_s)
    if run.status is not dg.DagsterRunStatus.CANCELING:
        full += _written_if_there_is_room(home, run, lambda: instance.report_run_canceling(run))
    how = _end(instance, run.run_id, CANCEL_S if grace_s is None else grace_s + OWN_S)
    if hidden:
        how = f"{how}; {', '.join(map(str, hidden))} is taken for gone"
        (alive_in(instance) / run.run_id).unlink(missing_ok=True)
    again = instance.get_run_by_id(run.run_id)
    if again is not None and not again.is_finished:
        full += _written_if_there_is_room(home, run, lambda: _report_canceled(instance, again))
    return "; ".join([f"run {run.run_id[:8]} is cancelled", how, *full[-1:]])


def _ask(
    instance: dg.DagsterInstance, run: dg.DagsterRun, hidden: list[liveness.Holder], grace_s: float | None
) -> str:
    """Have a run ended by its own process, which no signal from here reaches, but which looks at a file."""
    home, name = home_of(instance), run.run_id[:8]
    remedy = f"type `blut cancel {name}` there, or here with --gone if that machine or container is no more"
    if not may_change(home):
        raise OutOfReach(f"run {name} belongs to {hidden[0]}, and nothing can be written here: {remedy}")
    age = age_s(beats(home, run.run_id))
    if age is not None and age > limit_s():
        since = f"has not been seen for {duration_text(age)}"
        raise OutOfReach(f"run {name} belongs to {hidden[0]}, which {since}: {remedy}")
    ask(home, run.run_id, grace_s)
    instance.report_run_canceling(run)
    deadline = time.monotonic() + (CANCEL_S if grace_s is None else grace_s + OWN_S)
    while time.monotonic() < deadline:
        again = instance.get_run_by_id(run.run_id)
        if again is None or again.is_finished:
            return f"run {name} is cancelled; {hidden[0].host} has ended it"
        time.sleep(0.1)
    raise OutOfReach(
        f"run {name} belongs to {hidden[0]}, which was asked to end it and has not yet: it does as soon as it"
        f" looks; {remedy}"
    )


def _report_canceled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_canceled(run)
    free_slots(instance, run.run_id)


def _written_if_there_is_room(home: Path, run: dg.DagsterRun, write: Callable[[], object]) -> list[str]:
    """Write a state, on a full disk with the room that the run has kept back; returns why it could not be.

    A run is ended all the same: that its process is gone is found out later.
    """
    try:
        try:
            write()
        except Exception as error:
            if not is_full(error):
                raise
            reserve.drop(run_dir(home, run.run_id))
            write()
    except Exception as error:
        if not is_full(error):
            raise
        return [str(explained(home, error))]
    return []


def _cancel_by_dagster(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Have a run that no process of Blut works for ended by whatever has queued or launched it."""
    name = run.run_id[:8]
    try:
        asked, why = instance.run_coordinator.cancel_run(run.run_id), "it does not know its process"
    except Exception as error:  # a code server that is gone, a launcher's own errors
        asked, why = False, f"{type(error).__name__}: {error}".splitlines()[0]
    if not asked:
        raise OutOfReach(
            f"run {name}: no process of Blut works for it, and Dagster cannot end it from here ({why}): end"
            f" it where it was launched, or type `blut cancel {name} --gone` if nothing works for it any more"
        )
    deadline = time.monotonic() + CANCEL_S
    while time.monotonic() < deadline:
        again = instance.get_run_by_id(run.run_id)
        if again is None or again.is_finished:
            return f"run {name} is cancelled; Dagster ended it, since no process of Blut worked for it"
        time.sleep(0.1)
    return f"Dagster was asked to end run {name}, and its process has not ended yet"


def _end(instance: dg.DagsterInstance, run_id: str, patience_s: float) -> str:
    """End the processes of a run that can be seen from here; what was done."""
    how = "there was no process to end"
    pids = _pids(instance, run_id)
    if pids:
        _signal(pids[:1], signal.SIGINT)  # the first is the run's own, and tells the others
        how = "its processes ended by themselves"
        deadline = time.monotonic() + patience_s
        while pids := _pids(instance, run_id):
            if time.monotonic() > deadline:
                _signal(pids, signal.SIGKILL)
                how = f"its processes were killed after {patience_s:.0f} s"
            time.sleep(0.1)
    return how


def _pids(instance: dg.DagsterInstance, run_id: str) -> list[int]:
    """Returns the processes that work for a run now, the first one first;
    empty when the last of them has ended.
    """
    known = (liveness.pid_here(holder) for holder in workers(instance, run_id))
    return [pid for pid in known if pid is not None]


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _report_dead(instance: dg.DagsterInstance, run_id: str) -> bool:
    run = instance.get_run_by_id(run_id)
    if run is None:  # it was deleted while it worked
        remove_files(home_of(instance), run_id)
        return False
    if run.is_finished:
        holding.complete_manifest(home_of(instance), run)
        return False
    directory = run_dir(home_of(instance), run.run_id)
    full = f"{directory}: {FULL}" if reserve.was_needed(directory) else ""
    _report_end(instance, run, full or word_of(directory) or DIED)
    return True


def _report_end(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    holding.complete_manifest(home_of(instance), run)
    if run.status is dg.DagsterRunStatus.CANCELING:
        instance.report_run_canceled(run)
    else:
        _report_failed(instance, run, why)
    free_slots(instance, run.run_id)


def _report_failed(instance: dg.DagsterInstance, run: dg.DagsterRun, why: str) -> None:
    """Report a failure, also where the run's own log cannot be written: the others must not wait for that."""
    try:
        instance.report_run_failed(run, why)
    except Exception as error:
        if not is_of_database(error):
            raise
        note_end(instance, run, why)
