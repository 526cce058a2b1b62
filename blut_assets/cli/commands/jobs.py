"""Implements `blut jobs` and `blut cancel`: the runs, how far they are, and how to end one."""

import contextlib
import functools
import textwrap
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.catalogue import complete_recipe
from blut_assets.cli.shell.completion import RUN_ID, complete_sweep, complete_working
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, ago, duration, failed, listing, numbers, wrong

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import dagster as dg

    from blut_assets.sweeps.record import SweepRecord

app = single()
PAGE, MORE = 50, 500
"""Runs that are read at first, and then: those of a sweep are passed over."""
WORKING = ("NOT_STARTED", "STARTING", "STARTED", "CANCELING", "QUEUED")


UNREADABLE = (OSError, LookupError, TypeError, ValueError)
"""What files raise that hold something else than was written: one such run costs a line."""


@app.command()
def jobs(
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest first.")] = 20,
    working: Annotated[bool, typer.Option("--running", help="Only those that have not ended.")] = False,
    recipe: Annotated[
        str, typer.Option("--recipe", help="Only those of this recipe.", autocompletion=complete_recipe)
    ] = "",
    sweep: Annotated[
        str,
        typer.Option(
            "--sweep", metavar="ID", help="Only the trials of this sweep.", autocompletion=complete_sweep
        ),
    ] = "",
    as_json: AsJson = False,
) -> None:
    """List the runs and how far they are. A sweep is a line; --sweep ID lists its trials.

    State, recipe, age, time taken, what it holds of this machine, and the asset at work with its newest
    epoch, whom it waits for, or what it died of. Of a run on another machine, which one, and when that was
    seen last.

    Runs whose process is gone are marked as failed first, so the states are true.
    """
    import dagster as dg

    from blut_assets.cli.run.alerting import reap_and_tell
    from blut_assets.recipes.recipe import RECIPE_TAG
    from blut_assets.sweeps.record import SWEEP_TAG
    from blut_resources.instance.instance import open_instance

    _left_by_run.cache_clear()
    states = [dg.DagsterRunStatus[name] for name in WORKING] if working else []
    tags = {**({RECIPE_TAG: recipe} if recipe else {}), **({SWEEP_TAG: _sweep_id(sweep)} if sweep else {})}
    chosen = dg.RunsFilter(statuses=states, tags=tags)
    with open_instance(write=False) as instance:
        reap_and_tell(instance)
        held = _held_by_run()
        rows = [*islice(_folded(instance, chosen, held), limit)]
    if not as_json:
        rows = [_shown(row, holds=any(row["holds"] for row in rows)) for row in rows]
    none = "no job is running" if working else "no jobs: `blut recipe list` says what can be run"
    listing(rows, as_json, none)


def _sweep_id(prefix: str) -> str:
    from blut_assets.cli.commands.sweep import sweep_called

    return sweep_called(prefix).id


def _folded(
    instance: "dg.DagsterInstance", chosen: "dg.RunsFilter", held: "Mapping[str, str]"
) -> "Iterator[dict[str, Any]]":
    """Yields a row for each run, the newest first, and one for each sweep where its newest run is."""
    from blut_assets.sweeps.record import SWEEP_TAG

    seen: set[str] = set()
    apart = SWEEP_TAG in (chosen.tags or {})
    cursor, limit = None, PAGE
    while page := instance.get_run_records(chosen, limit=limit, cursor=cursor):
        for one in page:
            run_id, sweep = one.dagster_run.run_id, one.dagster_run.tags.get(SWEEP_TAG, "")
            if not sweep or apart:
                yield {**_row(instance, one), "holds": held.get(run_id, "")}
            elif sweep not in seen:
                seen.add(sweep)
                yield _sweep_row(instance, one, sweep)
        if len(page) < limit:
            return
        cursor, limit = page[-1].dagster_run.run_id, MORE


def _sweep_row(instance: "dg.DagsterInstance", record: Any, sweep: str) -> dict[str, Any]:
    """Returns the row of a sweep, of which a run was found; of a sweep that is not known that of the run."""
    from blut_assets.cli.commands.sweep import row_of
    from blut_assets.sweeps.record import SweepRecord
    from blut_resources.instance.instance import home_of

    found = row_of(SweepRecord(home_of(instance), sweep))
    if found is None:
        return {**_row(instance, record), "holds": ""}
    best = f", best {found['best']}" if found["best"] else ""
    ended = None if found["state"] == "started" else found["ended"]
    return {
        "id": sweep,
        "state": found["state"],
        "where": found["where"],
        "recipe": f"sweep of {found['recipe']}",
        "partition": "",
        "started": found["begun"],
        "seconds": ended and max(0.0, ended - found["begun"]),
        "progress": f"{found['words']}{best}",
        "holds": "",
        "trials": {name: found[name] for name in ("total", "running", "waiting", "outcomes")},
    }


def _held_by_run() -> dict[str, str]:
    """Returns run id -> what it holds of this machine, in words; nothing where the leases cannot be read."""
    from blut_resources.leases.lease import LeaseError, holders
    from blut_resources.leases.queue import needs_text

    held: dict[str, list[str]] = {}
    with contextlib.suppress(LeaseError):
        for claim in holders():
            held.setdefault(claim.holder.get("run", ""), []).append(needs_text(claim.needs))
    return {run: " and ".join(texts) for run, texts in held.items()}


def _row(instance: "dg.DagsterInstance", record: Any) -> dict[str, Any]:
    from blut_assets.cli.run.lookup import title_of
    from blut_assets.history.partitions import partition_of_run
    from blut_assets.history.took import took
    from blut_resources.working import whereabouts

    run = record.dagster_run
    state, progress = _progress(instance, run)
    return {
        "id": run.run_id,
        "state": state,
        "where": "" if run.is_finished else whereabouts(instance, run.run_id),
        "recipe": title_of(run),
        "partition": str(partition_of_run(run.tags) or ""),
        "started": record.start_time or record.create_timestamp.timestamp(),
        "seconds": took(instance, record),
        "progress": progress,
    }


def _progress(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> tuple[str, str]:
    """Says how a run stands, in a word, and in one line who it waits for or the asset at work and its
    newest epoch; of a failed one, why; of a cancelled one, how far it had come.
    """
    from blut_assets.history.failures import CANCELLED, ended_as, unreadable
    from blut_resources.instance.damage import is_of_database
    from blut_resources.instance.instance import home_of

    state = run.status.value.lower()
    try:
        state, why = ended_as(instance, run)
        goes_on = run.is_failure and _left_by_run(home_of(instance)).get(run.run_id)
        if goes_on:
            return state, f"{goes_on} goes on without it; the same command takes it over"
        if state == CANCELLED or not run.is_failure:
            return state, _how_far(instance, run)
        return state, next(iter(why.splitlines()), "")
    except Exception as error:
        if not is_of_database(error) and not isinstance(error, UNREADABLE):
            raise
        return state, unreadable(instance, run.run_id, error)


@functools.cache
def _left_by_run(home: "Path") -> dict[str, str]:
    """Returns run id -> its job that has outlived it, in words, as far as files tell."""
    from blut_resources.instance.home import store_root
    from blut_resources.launchers.left import left_jobs

    return {one.launch["run"]: one.name for one in left_jobs(store_root(home) / "work") if not one.ended}


def _how_far(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> str:
    from blut_assets.cli.run.lookup import how_far
    from blut_resources.payloads.admission import WAITING_TAG

    waits = run.tags.get(WAITING_TAG, "")
    if waits and not waits.startswith("no more") and not run.is_finished:
        return waits
    asset, values = how_far(instance, run)
    return f"{asset} {numbers(values)}".rstrip()


def _shown(row: dict[str, Any], *, holds: bool) -> dict[str, Any]:
    took = duration(row["seconds"])
    return {
        "id": row["id"][:8],
        "state": f"{row['state']} ({row['where']})" if row["where"] else row["state"],
        "recipe": f"{row['recipe']}[{row['partition']}]" if row["partition"] else row["recipe"],
        "age": ago(row["started"]),
        "took": took,
        **({"holds": row["holds"]} if holds else {}),
        "progress": textwrap.shorten(row["progress"], 100, placeholder=" …"),
    }


def cancel(
    run_id: Annotated[str, typer.Argument(metavar="ID", help=RUN_ID, autocompletion=complete_working)],
    gone: Annotated[
        bool,
        typer.Option("--gone", help="The machine or container that it ran on is no more: only mark it."),
    ] = False,
    grace: Annotated[
        str,
        typer.Option(
            "--grace",
            metavar="TIME",
            help="How long each payload gets to write its checkpoint before it is killed, such as 10s or 2m;"
            " what $BLUT_GRACE_S was at its start if not given.",
        ),
    ] = "",
) -> None:
    """End a run and everything it started; or a sweep, of which no trial begins any more.

    Wherever it was started from: here, in the UI, by the daemon. One that works on another machine, or in
    another container, that shares this history is asked to end, and looks every two seconds.

    A payload gets time to write its checkpoint; `blut plan resume ID` goes on from there.
    """
    from blut_assets.cli.run.lookup import run_named
    from blut_assets.cli.sweep.cancelling import cancel as cancel_sweep
    from blut_assets.cli.sweep.cancelling import grace_of
    from blut_resources.alive import OutOfReach, cancel_run
    from blut_resources.instance.instance import open_instance

    grace_s = grace_of(grace)
    if found := _sweep_meant(run_id):
        typer.echo(cancel_sweep(found, grace_s))
        return
    with open_instance(write=False) as instance:
        try:
            run = run_named(instance, run_id)
            state, _ = _progress(instance, run)
            typer.echo(cancel_run(instance, run, grace_s, gone=gone, state=state))
        except OutOfReach as error:
            failed(str(error))


def _sweep_meant(prefix: str) -> "SweepRecord | None":
    """Returns the sweep whose id begins so; none where there is none, so that it is taken for a run's.

    Ends the command with status 2 where sweeps and a run may be meant: what is ended must be certain.
    """
    from blut_assets.sweeps.record import NoSuchSweep, sweep_named
    from blut_resources.instance.home import find_home
    from blut_resources.instance.instance import open_instance

    try:
        found = sweep_named(find_home(), prefix)
    except NoSuchSweep as error:
        if len(error.found) > 1:
            wrong(str(error))
        return None
    if found.id != prefix:
        with open_instance(write=False) as instance:
            runs = [run.run_id for run in instance.get_runs() if run.run_id.startswith(prefix)]
        if runs:
            wrong(f"a sweep ({found.short}) and a run ({runs[0][:8]}) begin with {prefix!r}: give more of it")
    return found
