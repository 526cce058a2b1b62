"""Implements `blut sweep list|show|results|best|resume|cancel`."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.run.detach import Detach, DetachedAsJson, fork_if
from blut_assets.cli.shell.completion import SweepId
from blut_assets.cli.sweep.given import FailFast, Jobs, RetryFailed
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, ago, duration, failed, listing, numbers, print_json, wrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from blut_assets.sweeps.record import SweepRecord, Trial
    from blut_assets.sweeps.standing import BestTrial

app = group(
    "Sweeps: a recipe run with many args.\n\nOne begins with `blut recipe run NAME --sweep KEY=VALUES`; that"
    " command also goes on with it."
)
Grace = Annotated[
    str,
    typer.Option(
        "--grace", metavar="TIME", help="How long each payload gets to write its checkpoint, such as 10s."
    ),
]


def sweep_called(prefix: str) -> "SweepRecord":
    """Returns the sweep whose id begins so; ends the command with status 2 if there is none.

    One whose record is gone is made again of its runs.
    """
    from blut_assets.sweeps.record import NoSuchSweep, sweep_named
    from blut_resources.instance.home import find_home

    try:
        record = sweep_named(find_home(), prefix)
        record.head()
        return record
    except NoSuchSweep as error:
        return (not error.found and _made_again(prefix)) or wrong(str(error))
    except (OSError, ValueError) as error:
        return _made_again(prefix) or failed(f"its record cannot be read: {error}")


def _made_again(prefix: str) -> "SweepRecord | None":
    from blut_assets.cli.sweep.rebuild import ids_in, rebuild
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        ids = ids_in(instance, prefix)
        record = rebuild(instance, ids[0]) if len(ids) == 1 else None
    if record:
        count = len(record.trials())
        typer.echo(f"the record of sweep {record.short} was gone: made again of {count} runs", err=True)
    return record


@app.command("list")
def list_sweeps(as_json: AsJson = False) -> None:
    """List the sweeps, the newest first: state, recipe, how many of the trials have ended, and the best."""
    from blut_assets.cli.views.sweeps import sweep_row
    from blut_assets.sweeps.record import records
    from blut_resources.instance.home import find_home

    rows = [row for one in records(find_home()) if (row := sweep_row(one))]
    if not as_json:
        rows = [
            {
                "id": row["id"][:8],
                "state": row["state"],
                "recipe": row["recipe"],
                "age": ago(row["begun"]),
                "trials": row["words"],
                "best": row["best"],
                "axes": ", ".join(row["axes"]),
            }
            for row in rows
        ]
    listing(rows, as_json, "no sweeps: `blut recipe run NAME --sweep KEY=VALUES` begins one")


@app.command("show")
def show_sweep(
    sweep_id: SweepId,
    only_failed: Annotated[
        bool, typer.Option("--failed", help="Only trials that failed, or that a gate refused.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the trials of a sweep: args, how each ended, how long it took, and what it died of."""
    from blut_assets.cli.views.sweeps import sweep_row

    record = sweep_called(sweep_id)
    about = sweep_row(record)
    if about is None:
        failed(f"{record.place}: what it was for cannot be read")
    trials = [one for one in record.trials().values() if one.failed or not only_failed]
    if as_json:
        print_json({**about, "trials": [_plain(one) for one in trials]})
        return
    typer.echo(f"sweep {record.short} of {about['recipe']}: {about['state']}, {about['words']}")
    typer.echo(f"axes: {', '.join(about['axes'])}\n")
    listing([_shown(one) for one in trials], as_json, "no trial has failed" if only_failed else "no trials")


def _plain(trial: "Trial") -> dict[str, Any]:
    return {
        "trial": trial.number,
        "args": dict(trial.overrides),
        "partition": trial.partition,
        "state": trial.outcome or trial.state,
        "run": trial.run_id,
        "seconds": trial.seconds,
        "begun": trial.begun,
        "ended": trial.ended,
        "why": trial.why,
        "facts": dict(trial.facts),
    }


def _shown(trial: "Trial") -> dict[str, str]:
    from blut_assets.sweeps.grid import words_of

    part = f" [{trial.partition}]" if trial.partition is not None else ""
    return {
        "trial": str(trial.number),
        "args": words_of(trial.overrides) + part,
        "state": trial.outcome or trial.state,
        "run": trial.run_id[:8],
        "took": duration(trial.seconds),
        "why": trial.why[:200],
    }


@app.command("results")
def show_results(
    sweep_id: SweepId,
    plot: Annotated[
        bool,
        typer.Option(
            "--plot",
            help="Also draw them, into two SVG files here: all axes side by side, and each alone.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank the trials of a sweep by the metric of its recipe, with their args and what else was measured.

    The UI shows the same, with the pictures, as the asset <cookbook>/<recipe>_sweeps.
    """
    from blut_assets.sweeps.standing import ranked

    record = sweep_called(sweep_id)
    trials, metric = record.trials().values(), _metric(record)
    if plot:
        _draw(record, ranked(trials, metric) if metric else [])
    places = {one.trial.number: n for n, one in enumerate(ranked(trials, metric), 1)} if metric else {}
    ended = [one for one in trials if one.state == "ended"]
    ended.sort(key=lambda one: (places.get(one.number, len(places) + 1), one.number))
    if as_json:
        print_json([{"rank": places.get(one.number), **_plain(one)} for one in ended])
        return
    rows = [{"rank": str(places.get(one.number, "")), **_measured(one, metric)} for one in ended]
    listing(rows, as_json, f"no trial of sweep {record.short} has ended yet")


def _draw(record: "SweepRecord", best: "Sequence[BestTrial]") -> None:
    from blut_assets.sweeps.pictures import against, parallel
    from blut_resources.files.durable import StoreError, write_atomic

    if not best:
        failed(f"nothing to draw: no trial of sweep {record.short} has succeeded with a value of a metric")
    for name, draw in (("parallel", parallel), ("axes", against)):
        path = Path.cwd() / f"sweep-{record.short}-{name}.svg"
        try:
            write_atomic(path, draw(best).encode(), mode=0o644)
        except (StoreError, OSError) as error:
            failed(str(error))
        typer.echo(f"drawn: {path}", err=True)


def _measured(trial: "Trial", metric: dict[str, str]) -> dict[str, str]:
    """Returns a trial for a table of results: the value of the metric first, where the recipe has one."""
    first = metric.get("fact", "")
    others = {name: value for name, value in trial.facts.items() if name not in ("digest", first)}
    value = numbers({first: trial.facts[first]}).partition("=")[2] if first in trial.facts else ""
    shown = _shown(trial)
    return {
        **({first: value} if first else {}),
        **{name: shown[name] for name in ("args", "state", "took", "run")},
        "facts": numbers(others),
    }


def _metric(record: "SweepRecord") -> dict[str, str]:
    try:
        return record.head().get("metric") or {}
    except (OSError, ValueError):
        return {}


@app.command("best")
def show_best(sweep_id: SweepId, as_json: AsJson = False) -> None:
    """Say which trial of a sweep was the best, with the command that runs it by itself, which is a reuse.

    Status 1 where no trial has the metric of the recipe.
    """
    import json

    from blut_assets.cli.sweep.order import with_overrides
    from blut_assets.sweeps.standing import best_of

    record = sweep_called(sweep_id)
    best, metric = best_of(record, record.trials().values()), _metric(record)
    if not metric:
        failed(f"the recipe of sweep {record.short} has no metric: `blut sweep results {record.short}`")
    if best is None:
        failed(f"no trial of sweep {record.short} has succeeded with a {metric['fact']} yet")
    head = record.head()
    values = with_overrides(head["values"], best.trial.overrides)
    words = ["blut", "recipe", "run", head["recipe"], "--args", json.dumps(values, ensure_ascii=False)]
    words += ["--partition", best.trial.partition] if best.trial.partition is not None else []
    if as_json:
        print_json({**_plain(best.trial), "metric": best.metric, "value": best.value, "command": words})
        return
    typer.echo(best.words())
    there = "" if head["cwd"] == str(Path.cwd()) else f"cd {shlex.quote(head['cwd'])} && "
    typer.echo(there + shlex.join(words))


@app.command("resume")
def resume_sweep(
    sweep_id: SweepId,
    jobs: Jobs = None,
    fail_fast: FailFast = False,
    retry_failed: RetryFailed = "yes",
    detach: Detach = False,
    as_json: DetachedAsJson = False,
) -> None:
    """Go on with a sweep: trials that failed or were not begun run; what is done is not run again.

    The command that began it does the same.
    """
    fork_if(detach, as_json)
    from blut_assets.cli.run.arguments import recipe_called
    from blut_assets.cli.sweep.command import run_sweep
    from blut_assets.cli.sweep.order import ordered_before

    record = sweep_called(sweep_id)
    try:
        head = record.head()
    except (OSError, ValueError) as error:
        failed(f"{record.place}: what it was for cannot be read ({error}); type its command again")
    if head["kind"] != "sweep":
        wrong(
            f"{record.short} is a search for the best args of {head['recipe']}: the same `blut hpo run`"
            " goes on with it, or adds to it with more --trials"
        )
    recipe = recipe_called(head["recipe"])
    order = ordered_before(recipe, head, [*record.trials().values()])
    how = {"jobs": jobs, "fail_fast": fail_fast, "retry_failed": retry_failed == "yes", "tags": head["tags"]}
    raise typer.Exit(run_sweep(order, sweep_id=record.id, **how))


@app.command("cancel")
def cancel_sweep(sweep_id: SweepId, grace: Grace = "") -> None:
    """End a sweep: no trial begins any more, and those at work get time to write their checkpoints."""
    from blut_assets.cli.sweep.cancelling import cancel, grace_of

    typer.echo(cancel(sweep_called(sweep_id), grace_of(grace)))
