"""Runs a sweep from its first trial to its last, or goes on with one."""

import time
from collections.abc import Mapping, Sequence

import typer

from blut_assets.cli.run.alerting import tell_at_end
from blut_assets.cli.run.arguments import refuse_lacking
from blut_assets.cli.run.detach import began, leave_for
from blut_assets.cli.run.launching import end_on_sigterm, refuse_unplaced
from blut_assets.cli.run.partitions import INTERRUPTED, LATE
from blut_assets.cli.sweep.ahead import done_before, look_ahead, runs_elsewhere
from blut_assets.cli.sweep.apart import apart
from blut_assets.cli.sweep.leading import Leader
from blut_assets.cli.sweep.order import AskedTrial, SweepOrder, metric_of
from blut_assets.cli.sweep.telling import SweepProgress, next_of, summary
from blut_assets.cli.sweep.worker import TrialWork, work
from blut_assets.definitions import discovered
from blut_assets.sweeps.board import show_in_ui
from blut_assets.sweeps.record import OUTPUT, LedElsewhere, NewTrial, SweepRecord
from blut_assets.sweeps.standing import standing
from blut_assets.terminal.output import as_next, failed
from blut_resources.alive import cancel_run, reap_dead_runs
from blut_resources.instance.home import find_home
from blut_resources.instance.instance import open_instance
from blut_resources.machine import liveness
from blut_resources.runs.deadline import parse_deadline
from blut_resources.text import one_line

LOOK_S = 0.5


def run_sweep(
    order: SweepOrder,
    *,
    jobs: int | None = None,
    fail_fast: bool = False,
    retry_failed: bool = True,
    accept_refusal: bool = False,
    tags: Mapping[str, str] | None = None,
    sweep_id: str = "",
) -> int:
    """Run the trials that are not done yet; returns the status that its process is to end with.

    That is 0, 1 if a trial failed, 124 if the deadline came before all had begun, 130 if it was interrupted.

    Args:
        sweep_id: of one that goes on; that of the order if not given.
    """
    recipe = order.recipe
    book = next(book for book in discovered.cookbooks if recipe in book.recipes)
    refuse_lacking(recipe.name, book.extras)
    end_on_sigterm()
    refuse_unplaced(one.args.launcher for one in order.trials)
    record = SweepRecord(find_home(), sweep_id or order.id)
    wait_for_others(record)
    ahead = apart(lambda: look_ahead(order, done_before(record)))
    if ahead.refused:
        failed("\n".join(ahead.refused))
    mark = led(record)
    numbers = _written_down(record, order, tags or {})
    args = {number: one.args for number, one in numbers.items()}
    leave_for({"sweep": record.id}, record.place / OUTPUT)
    told = SweepProgress(record, f"sweep {record.short}")
    what = TrialWork(
        recipe, lambda trial: args[trial.number], tags or {}, fail_fast, elsewhere=runs_elsewhere(order)
    )
    leader = Leader(
        record,
        mark,
        lambda: work(record, what),
        cancelled,
        jobs or ahead.jobs,
        told,
        began,
        fail_fast=fail_fast,
        until=_until(order),
    )
    known = record.trials()
    again = [
        number
        for number, one in numbers.items()
        if known[number].state != "waiting" and (retry_failed or not known[number].failed)
        if one.key not in ahead.done
    ]
    there = f", {len(ahead.done)} of them done before" if ahead.done else ""
    told.line(f"sweep {record.short} of {recipe.name}: {len(numbers)} trials{there}, {leader.jobs} at once")
    trials = leader.lead(again)
    told.over()
    how = standing(trials.values())
    record.say({"what": "over", "standing": how.sentence()})
    apart(lambda: settled(book.name, record))
    print("\n".join(summary(record, recipe.name, trials, how)), flush=True)
    if how.done and not leader.interrupts:
        typer.echo(as_next(next_of(record, how)), err=True)
    if leader.interrupts:
        return INTERRUPTED
    bad = how.failed - (how.outcomes.get("refused", 0) if accept_refusal else 0)
    if leader.late and how.waiting:
        return LATE
    return int(bad > 0 or how.done + how.failed < how.total)


def settled(cookbook: str, record: SweepRecord) -> None:
    """Mark the runs whose process has died, tell of what failed, and show in the UI how the trials stand."""
    with open_instance() as instance:
        reap_dead_runs(instance)
        try:
            show_in_ui(instance, cookbook, record)
        except Exception as error:  # the trials are what they are, and the command says so
            told = f"sweep {record.short} is not shown in the UI: {one_line(error)}"
            typer.echo(f"{told}; `blut sweep results {record.short} --plot` shows it", err=True)
    tell_at_end()


def cancelled(run_ids: Sequence[str]) -> None:
    """End runs at once."""
    with open_instance() as instance:
        for run_id in run_ids:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                cancel_run(instance, run, 0.0)


def led(record: SweepRecord) -> liveness.Mark:
    """Returns the mark of this process, which leads a sweep from now on; ends the command where another does.

    Nothing is written into the record before: of two commands that begin at once one would count the trials
    twice, and what the other has at work as lost.
    """
    try:
        return record.lead_here()
    except LedElsewhere as error:
        failed(f"{error}: `blut sweep show {record.short}` shows how far it is")


def wait_for_others(record: SweepRecord) -> None:
    """Wait until the workers of a command that was killed have ended; one that lives ends this command."""
    said = False
    while (answer := record.leads()) != "no":
        leader = record.leader()
        if answer == "unknown" or leader is None or liveness.alive(leader) != "no":
            failed(
                f"{LedElsewhere(record)}: `blut sweep show {record.short}` shows how far it is, and"
                f" `blut cancel {record.short}` ends it"
            )
        if not said:
            told = "its command was killed; waiting until the trials that it had begun have ended"
            SweepProgress(record, "").line(f"sweep {record.short}: {told}")
            said = True
        time.sleep(LOOK_S)


def _written_down(record: SweepRecord, order: SweepOrder, tags: Mapping[str, str]) -> dict[int, AskedTrial]:
    """Write down what is asked for, and which trials that are; returns them by number."""
    record.write_head(
        {
            "kind": "sweep",
            "recipe": order.recipe.name,
            "values": order.values,
            "axes": order.axes,
            "metric": metric_of(order.recipe),
            "tags": tags,
            "cwd": order.cwd,
            "at": time.time(),
        }
    )
    known = {one.key for one in record.trials().values()}
    new = [NewTrial(one.overrides, one.partition, one.key) for one in order.trials if one.key not in known]
    if new or not record.closed:
        record.add(new, closed=True)
    for trial in record.trials().values():
        if trial.state == "running":
            record.end(trial.number, "lost", "its worker was killed, and its command", run=trial.run_id)
    numbers = {one.key: one.number for one in record.trials().values()}
    return {numbers[one.key]: one for one in order.trials}


def _until(order: SweepOrder) -> float | None:
    """Returns the time on the clock, in seconds since 1970, at which the first trial has to end; None if that
    is none, or counts from the start of each.
    """
    said = {one.args.deadline for one in order.trials if one.args.deadline}
    times = [parse_deadline(one).at(time.time()) for one in said]
    return min((one for one in times if one is not None), default=None)
