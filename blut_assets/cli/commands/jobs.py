"""Implements `blut jobs` and `blut cancel`: the runs, how far they are, and how to end one."""

import textwrap
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.catalogue import complete_recipe, recipes
from blut_assets.cli.shell.completion import RUN_ID, complete_sweep, complete_working
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, ago, duration, failed, listing, wrong
from blut_resources.text import meant

if TYPE_CHECKING:
    from blut_assets.sweeps.record import SweepRecord

app = single()


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
    from blut_assets.cli.views.jobs import WORKING, job_rows
    from blut_assets.recipes.recipe import RECIPE_TAG
    from blut_assets.sweeps.record import SWEEP_TAG
    from blut_resources.instance.instance import open_instance

    states = [dg.DagsterRunStatus[name] for name in WORKING] if working else []
    tags = {**({RECIPE_TAG: recipe} if recipe else {}), **({SWEEP_TAG: _sweep_id(sweep)} if sweep else {})}
    chosen = dg.RunsFilter(statuses=states, tags=tags)
    with open_instance(write=False) as instance:
        reap_and_tell(instance)
        rows = [*islice(job_rows(instance, chosen), limit)]
    if not as_json:
        rows = [_shown(row, holds=any(row["holds"] for row in rows)) for row in rows]
    listing(rows, as_json, "" if rows else _none(recipe, working=working))


def _none(recipe: str, *, working: bool) -> str:
    """Says that there is no such job; of a recipe that nobody knows, which one may be meant."""
    known = {one["name"] for one in recipes()} if recipe else set[str]()
    if recipe and recipe not in known:
        return f"no recipe is called {recipe!r}{meant(recipe, known)}, and no job is of one"
    of = f" of {recipe}" if recipe else ""
    return f"no job{of} is running" if working else f"no jobs{of}: `blut recipe list` says what can be run"


def _sweep_id(prefix: str) -> str:
    from blut_assets.cli.commands.sweep import sweep_called

    return sweep_called(prefix).id


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
    from blut_assets.cli.views.jobs import standing_of
    from blut_resources.alive import OutOfReach, cancel_run
    from blut_resources.instance.instance import open_instance

    grace_s = grace_of(grace)
    if found := _sweep_meant(run_id):
        typer.echo(cancel_sweep(found, grace_s))
        return
    with open_instance(write=False) as instance:
        try:
            run = run_named(instance, run_id)
            state, _ = standing_of(instance, run)
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
