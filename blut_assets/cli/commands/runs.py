"""Implements `blut runs diff|tell|export|prune`: what two runs were made of, runs for other tools,
old runs and their removal.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from blut_assets.cli.shell.completion import RUN_ID, complete_run
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, ago, columns, counted, failed, print_json, size, wrong

if TYPE_CHECKING:
    import dagster as dg

    from sensors.housekeeping.choice import Choice, Removable

app = group("Compare two runs, write them for other tools, remove old ones.")
Facts = dict[str, dict[str, Any]]
"""Flat names and values, by what they are about."""
LAST = ", last epoch"
"""How a result is called that an asset has only where it was computed, and not where it was reused."""
OWN = (
    *(
        "run_id",
        "started",
        "ended",
        "seconds",
        "boot",
        "started_uptime",
        "completed_by",
        "cwd",
        "pid",
        "argv",
        "tags",
    ),
    "parent_run_id",
    *("assets", "artifacts", "inputs", "config", "outcome", "peak_memory_bytes"),
)
"""Of a manifest: what differs between any two runs, or is compared on its own."""


@app.command("diff")
def diff(
    a: Annotated[str, typer.Argument(help=RUN_ID, autocompletion=complete_run)],
    b: Annotated[str, typer.Argument(help="Another one's.", autocompletion=complete_run)],
    everything: Annotated[bool, typer.Option("--all", help="Also what is the same.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show what differs between two runs.

    Args and config, source, inputs, packages and machine, results, and what those that differ took.
    """
    from blut_assets.cli.run.lookup import run_named
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        left, right = (run_named(instance, name) for name in (a, b))
        rows = difference_rows(instance, left, right, everything=everything)
    if as_json:
        print_json(rows)
    else:
        short = [{k: _short(v) for k, v in row.items()} for row in rows]
        typer.echo(
            columns(short) if rows else "no difference in args, source, inputs, environment or results"
        )


def difference_rows(
    instance: "dg.DagsterInstance", left: "dg.DagsterRun", right: "dg.DagsterRun", *, everything: bool = False
) -> list[dict[str, Any]]:
    """Returns a row for each thing that differs, or for every one: ``about``, ``what``, ``a`` and ``b``."""
    old_facts, new_facts = (_facts(instance, run) for run in (left, right))
    return [
        {"about": about, "what": what, "a": old, "b": new}
        for about in old_facts
        for what, old, new in _pairs(old_facts[about], new_facts[about])
        if everything or (old != new and _tells(old_facts, new_facts, about, what, None in (old, new)))
    ]


def _tells(left: Facts, right: Facts, about: str, what: str, of_one: bool) -> bool:
    """Says whether what differs tells of the results: not what a source or a reused asset did not measure,
    nor what it cost to look at the same.
    """
    asset = what.split(" ")[0]
    same = left["result"].get(asset) == right["result"].get(asset)
    return not (of_one and what.endswith(LAST)) and not (about == "cost" and same)


def _facts(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> Facts:
    """Returns what can differ, as flat names and values, by what it is about."""
    from blut_assets.cli.commands.results import _extremes, results_of
    from blut_assets.cli.run.lookup import epochs_of, made_by
    from blut_assets.stages import reuse
    from blut_resources.runs.settings import settings_of

    made = {name: reuse.spec_of_event(event) for name, event in made_by(instance, run.run_id).items()}
    specs: dict[str, Any] = {name: spec for name, spec in made.items() if spec}
    came_to = results_of(instance, run)
    results, cost = {"state": came_to["state"]}, {}
    for artifact in came_to["artifacts"]:
        results[artifact["asset"]] = artifact["digest"][:12]
        results |= _flat(artifact["facts"], artifact["asset"])
        cost |= _flat(artifact["cost"], artifact["asset"])
    for asset, rows in epochs_of(instance, run.run_id).items():
        results |= {f"{asset} {row['metric']}{LAST}": row["last"] for row in _extremes(rows)}
    return {
        "args": _flat(settings_of(run.run_config, run.tags)),
        "config": {k: v for name, spec in specs.items() for k, v in _flat(spec["config"], name).items()},
        "source": {f"{n} {p}": v[:12] for n, spec in specs.items() for p, v in spec["code"].items()},
        "input": {f"{n} {p}": v[:12] for n, spec in specs.items() for p, v in spec["inputs"].items()},
        "environment": _manifest(instance, run.run_id),
        "result": results,
        "cost": cost,
    }


def _manifest(instance: "dg.DagsterInstance", run_id: str) -> dict[str, Any]:
    from blut_resources.instance.instance import home_of
    from blut_resources.runs import manifest
    from blut_resources.runs.files import manifest_path

    try:
        found = manifest.read(manifest_path(home_of(instance), run_id))
    except (FileNotFoundError, ValueError):
        return {}
    return _flat({name: value for name, value in found.items() if name not in OWN})


def _flat(values: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in values.items():
        path = f"{above} {name}" if above else name
        flat |= _flat(value, path) if isinstance(value, Mapping) and value else {path: value}
    return flat


def _pairs(left: Mapping[str, Any], right: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    return [(name, left.get(name), right.get(name)) for name in dict.fromkeys([*left, *right])]


def _short(value: Any) -> str:
    text = f"{value:.5g}" if isinstance(value, float) else "-" if value is None else str(value)
    return text if len(text) <= 60 else text[:59] + "…"


@app.command("tell")
def tell(
    run_id: Annotated[str, typer.Argument(help=RUN_ID, autocompletion=complete_run)],
    seconds: Annotated[
        float, typer.Option("--wait", min=0, help="Seconds to wait; it goes on in the background.")
    ] = 60.0,
) -> None:
    """Write the run for Weights & Biases once more, with all its epochs.

    They are read from the run's own events, and come to lie in an offline run in its directory, in the place
    of what is there: where a server, a service or a disk failed, or where nobody asked for it at the time.
    """
    from blut_assets.cli.run.lookup import run_named
    from blut_resources.files.documents import DocumentError
    from blut_resources.files.durable import StoreError
    from blut_resources.instance.instance import home_of, open_instance
    from blut_resources.runs import tracking
    from blut_resources.runs.epochs import epochs
    from blut_resources.runs.files import status_path

    with open_instance(write=False) as instance:
        run, home = run_named(instance, run_id), home_of(instance)
        assets = list(epochs(status_path(home, run.run_id)))
    if not run.is_finished or not assets:
        wrong(f"run {run.run_id[:8]} {'has reported no epoch' if run.is_finished else 'has not ended yet'}")
    try:
        tracking.chosen_logger("wandb")
        tracking.order_again(home, run.run_id, assets)
        told = tracking.tell_again(home, seconds, run.run_id)
    except (DocumentError, OSError, StoreError, tracking.TrackerUnavailable) as error:
        failed(str(error))
    for sentence in told or [f"wandb is being told of run {run.run_id[:8]}, in the background"]:
        typer.echo(sentence)


@app.command("export")
def export(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help=RUN_ID, autocompletion=complete_run)],
    kind: Annotated[
        Literal["tensorboard", "mlflow", "openlineage"], typer.Option("--as", help="For which tool.")
    ],
    target: Annotated[
        str,
        typer.Option(
            "-o",
            "--output",
            help="A log directory of TensorBoard; sqlite:///FILE or http://HOST of MLflow; FILE or http://HOST"
            " of OpenLineage.",
        ),
    ],
    as_json: AsJson = False,
) -> None:
    """Write runs that have ended for TensorBoard, MLflow, or what reads OpenLineage.

    All epochs of all assets, also those before a resume; args, tags, and the figures of what was made. For
    OpenLineage the start and the end of each run, and which version of what was made of what. What is there
    already stays as it is. MLflow is the one whose command is on the PATH; `blut runs tell` writes for
    Weights & Biases.
    """
    from blut_assets.cli.exports.exported import ExportFault, exported
    from blut_assets.cli.exports.mlflow_store import write_mlflow
    from blut_assets.cli.exports.openlineage import run_events
    from blut_assets.cli.exports.openlineage_target import write_openlineage
    from blut_assets.cli.exports.tensorboard import write_tensorboard
    from blut_assets.cli.run.lookup import run_named
    from blut_resources.instance.instance import open_instance

    takes = {
        "tensorboard": "a directory",
        "mlflow": "sqlite:///FILE or http://HOST",
        "openlineage": "a file or http://HOST",
    }
    of_web = target.startswith(("http://", "https://"))
    if ("://" in target) != (of_web if kind == "openlineage" else kind == "mlflow"):
        wrong(f"-o {target}: --as {kind} takes {takes[kind]}")
    events: dict[str, list[Any]] = {}
    try:
        with open_instance(write=False) as instance:
            found = {run.run_id: run for run in (run_named(instance, name) for name in runs)}
            told = [exported(instance, run) for run in found.values()]
            if kind == "openlineage":
                events = {run.run_id: run_events(instance, found[run.run_id], run) for run in told}
        if kind == "mlflow":
            made = write_mlflow(told, target)
        elif kind == "openlineage":
            made = write_openlineage(events, target)
        else:
            made = {run.run_id: str(write_tensorboard(run, Path(target)) or "") for run in told}
    except ExportFault as error:
        failed(str(error))
    if as_json:
        print_json([{"run": run, "written": where} for run, where in made.items()])
    else:
        for run, where in made.items():
            typer.echo(f"{run[:8]}  {where or f'is in {target} already'}")


@app.command("prune")
def prune(
    keep_days: Annotated[
        int | None, typer.Option("--keep-days", help="Keep what ended within so many days.")
    ] = None,
    keep_newest: Annotated[
        int | None, typer.Option("--keep-newest", help="Keep the newest runs of each job.")
    ] = None,
    tick_days: Annotated[
        int | None, typer.Option("--tick-days", help="Keep the ticks of Blut's sensors for so many days.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Remove it; without this it is only said what would go.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Say which old runs may go, with their directories, logs, events and ticks, or remove them.

    The bounds are those in housekeeping.toml of the instance, or given here for this time; a run goes that is
    beyond all of them; the runs of a sweep are as old as its newest. Nothing goes that something leans on:
    what the registry refers to, the newest of an asset, what a kept run reused, what goes on. What the runs
    computed stays in the store, and is reused. A sweep of which no run is left goes too, with its results.
    """
    import datetime as dt

    from blut_assets.terminal.longwork import LongWork, shown, told_of
    from blut_resources.instance.instance import home_of, open_instance
    from blut_resources.registry.models import RegistryError
    from sensors.housekeeping.choice import choose
    from sensors.housekeeping.policy import DAY_S, HousekeepingError, checked, policy_path, read_policy
    from sensors.housekeeping.removal import remove_runs, shrink
    from sensors.housekeeping.sweeps import old_sweeps, remove_sweeps
    from sensors.housekeeping.ticks import count_ticks, remove_ticks

    given = {"keep_days": keep_days, "keep_newest": keep_newest, "tick_days": tick_days}
    with open_instance(write=yes) as instance:
        try:
            asked = checked({name: value for name, value in given.items() if value is not None})
            policy = asked if asked.declares else read_policy(home_of(instance))
            now = dt.datetime.now(dt.UTC)
            choice = choose(instance, policy, now)
        except HousekeepingError as error:
            wrong(str(error))
        except RegistryError as error:
            failed(f"nobody knows which runs the registry refers to, so none is removed: {error}")
        if not policy.declares:
            wrong(
                f"nothing is declared in {policy_path(home_of(instance))}, so nothing may go: write"
                " keep_days = 90 or keep_newest = 20 into it, or give --keep-days or --keep-newest"
            )
        before = now.timestamp() - policy.tick_days * DAY_S if policy.tick_days else 0.0
        gone, freed = choice.removable, 0
        if yes:
            work = LongWork("removing", len(choice.removable), lambda n: counted(n, "run"))
            with shown(work.line):
                gone = tuple(told_of(remove_runs(instance, choice.removable), work))
            old = old_sweeps(instance, policy, now, ())
            sweeps = [one.id for one in remove_sweeps(home_of(instance), old)]
            ticks = remove_ticks(instance, before) if before else 0
            freed = shrink(instance)
        else:
            sweeps = [one.id for one in old_sweeps(instance, policy, now, {one.run_id for one in gone})]
            ticks = count_ticks(instance, before) if before else 0
    if as_json:
        print_json(
            {
                "removed": yes,
                "runs": [one._asdict() for one in gone],
                "sweeps": sweeps,
                "ticks": ticks,
                "shrunk": freed,
                "kept": choice.kept,
            }
        )
    else:
        _tell_pruned(choice, gone, sweeps, ticks, freed, yes)


def _tell_pruned(
    choice: "Choice", gone: "tuple[Removable, ...]", sweeps: list[str], ticks: int, freed: int, yes: bool
) -> None:
    if gone:
        rows = [
            {
                "id": one.run_id[:8],
                "job": one.job,
                "state": one.state,
                "ended": ago(one.ended),
                "files": one.n_files,
                "size": size(one.n_bytes),
            }
            for one in gone
        ]
        typer.echo(columns(rows) + "\n")
    n_files, n_bytes = sum(one.n_files for one in gone), sum(one.n_bytes for one in gone) + freed
    verb = "removed" if yes else "would remove"
    of_all = len(choice.removable) + len(choice.kept)
    typer.echo(f"{verb} {len(gone)} of {of_all} runs and {ticks} ticks: {n_files} files, {size(n_bytes)}")
    if sweeps:
        names = ", ".join(one[:8] for one in sweeps)
        typer.echo(f"{verb} what is known of {counted(len(sweeps), 'sweep')} whose runs have gone: {names}")
    if yes and len(gone) < len(choice.removable):
        typer.echo(f"{len(choice.removable) - len(gone)} stay: at work, or their results could not be noted")
    for reason, number in choice.reasons().items():
        typer.echo(f"{number} stay: {reason}")
    if not yes and (gone or ticks or sweeps):
        typer.echo("Nothing was removed: --yes removes it.")
