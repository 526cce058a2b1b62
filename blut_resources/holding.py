"""Shows which runs this process works for, and takes down what becomes of them: their manifest and their end.

Every process that executes a run, or a step of it, marks ``alive/<run id>``: a command of Blut from before
there is a run, any other process from its first stage asset on.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from blut_resources.boxes.owner import refusal
from blut_resources.boxes.seen import show_box
from blut_resources.dagster_private.events import was_terminated
from blut_resources.dagster_private.history import identity
from blut_resources.dagster_private.listening import listen
from blut_resources.dagster_private.origin import show_under_its_job
from blut_resources.dagster_private.steps import worker
from blut_resources.database import patience
from blut_resources.files.durable import file_lock
from blut_resources.files.modes import follow_group
from blut_resources.instance.home import store_root
from blut_resources.instance.instance import home_of, written_by
from blut_resources.machine import liveness
from blut_resources.payloads import orchestrator
from blut_resources.payloads.given_up import end_given_up
from blut_resources.runs import heartbeat, manifest
from blut_resources.runs.files import manifest_path, run_dir
from blut_resources.runs.hang_up import end_on_hang_up
from blut_resources.runs.removal import remove_files

ENDS = (
    *(dg.DagsterEventType.RUN_SUCCESS, dg.DagsterEventType.RUN_FAILURE),
    dg.DagsterEventType.RUN_CANCELED,
)
OUTCOMES = {
    dg.DagsterRunStatus.SUCCESS: "succeeded",
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
    dg.DagsterRunStatus.CANCELING: "cancelled",
}

Heard = Callable[[dg.DagsterInstance], None]
on_start: list[Heard] = []
on_end: list[Heard] = []
"""What else is done when a run begins its first step, or has ended, in a process of Dagster's."""
_held: dict[str, liveness.Mark] = {}


def launch_here(instance: dg.DagsterInstance, run_id: str) -> None:
    """Show that this process works for a run that it is about to make, and take down what becomes of it."""
    hold_in(home_of(instance), run_id)
    listen(instance, run_id, _end_given_up)
    _watch(instance, run_id)


def join(instance: dg.DagsterInstance, run: dg.DagsterRun, *, inner: bool = False) -> None:
    """Show that this process works for a run that has started, and take down what becomes of it.

    Args:
        inner: whether the process of the run is another one, on whose behalf this one executes a step.
    """
    if run.run_id not in held():
        if other := written_by(instance):
            raise refusal(home_of(instance), other)
        hold_in(home_of(instance), run.run_id, inner=inner)
        listen(instance, run.run_id, _end_given_up)
        if not inner:
            _watch(instance, run.run_id, on_end)
            for one in on_start:
                one(instance)
    _begin(instance, run)


def held() -> set[str]:
    """Returns the runs for which this process works."""
    return set(_held)


def hold_in(home: Path, run_id: str, *, inner: bool = False) -> None:
    """Show that this process works for a run of the instance in ``home``."""
    follow_group(home)
    orchestrator.above(liveness.this_process().pid)
    end_on_hang_up()
    others = [liveness.process(pid)] if (pid := worker()) else []
    with file_lock(home / "alive" / ".lock"):
        if run_id not in _held:
            unseen = inner and not others
            _held[run_id] = liveness.Mark(home / "alive" / run_id, others, unseen=unseen)
            patience.wait_for(run_id)
    show_box(store_root(home))


def let_go(run_id: str) -> None:
    """Stop working for a run: it has ended, or this process's part of it."""
    if run_id in _held:
        heartbeat.stop(run_id)
        patience.no_longer(run_id)
        _held.pop(run_id).remove()


def complete_manifest(home: Path, run: dg.DagsterRun, *, interrupted: bool = False) -> None:
    """Write down how a run has ended; one that has not was killed, an ``interrupted`` one cancelled."""
    by = "run" if run.run_id in _held else "another process"
    outcome = "cancelled" if interrupted else OUTCOMES.get(run.status, "killed")
    manifest.complete(home, run, outcome, by)


def _end_given_up(entry: dg.EventLogEntry) -> None:
    """End what a step or a run has left in the middle, before anybody hears that it has ended."""
    event = entry.dagster_event
    if event is not None and event.event_type in (dg.DagsterEventType.STEP_FAILURE, *ENDS):
        end_given_up()


def _watch(instance: dg.DagsterInstance, run_id: str, then: Sequence[Heard] = ()) -> None:
    def hear(entry: dg.EventLogEntry) -> None:
        event = entry.dagster_event
        if event is not None and event.event_type is dg.DagsterEventType.RUN_START:
            _note_start(instance, run_id)
        elif event is not None and event.event_type in ENDS:
            # Ctrl-C came while Dagster had an event in hand: the step cannot tell then
            _note_end(instance, run_id, interrupted=was_terminated(event))
            for one in then:
                one(instance)

    listen(instance, run_id, hear)


def _begin(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    home = home_of(instance)
    if not manifest_path(home, run.run_id).exists():
        manifest.begin(home, run, identity(instance), worker())
    heartbeat.start(run_dir(home, run.run_id), run.run_id, worker())


def _note_start(instance: dg.DagsterInstance, run_id: str) -> None:
    run = instance.get_run_by_id(run_id)
    if run is not None:
        _begin(instance, run)
        show_under_its_job(instance, run)


def _note_end(instance: dg.DagsterInstance, run_id: str, *, interrupted: bool) -> None:
    home, run = home_of(instance), instance.get_run_by_id(run_id)
    if run is not None:
        complete_manifest(home, run, interrupted=interrupted)
    let_go(run_id)
    if run is None:  # it was deleted while it worked
        remove_files(home, run_id)
