"""`blut runs diff A B`: what two runs were given, what they were made of, and what came out."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.lazy import group
from blut_assets.cli.output import AsJson, columns, print_json
from blut_assets.cli.shell.completion import RUN_ID, complete_run

if TYPE_CHECKING:
    import dagster as dg

app = group("Compare two runs.")
OWN = (
    *("run_id", "started", "ended", "completed_by", "cwd", "pid", "argv", "tags", "parent_run_id"),
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

    Args and config, source, inputs, packages and machine, results.
    """
    from blut_assets.cli.run.lookup import run_named
    from blut_resources.instance.instance import open_instance

    with open_instance() as instance:
        left, right = (_facts(instance, run_named(instance, name)) for name in (a, b))
    rows = [
        {"about": about, "what": what, "a": old, "b": new}
        for about in left
        for what, old, new in _pairs(left[about], right[about])
        if everything or old != new
    ]
    if as_json:
        print_json(rows)
    else:
        short = [{k: _short(v) for k, v in row.items()} for row in rows]
        typer.echo(
            columns(short) if rows else "no difference in args, source, inputs, environment or results"
        )


def _facts(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> dict[str, dict[str, Any]]:
    """What can differ, as flat names and values, by what it is about."""
    from blut_assets.cli.commands.results import _extremes, metrics_of, results_of
    from blut_assets.cli.run.lookup import made_by
    from blut_assets.stages import reuse

    made = {name: reuse.spec_of_event(event) for name, event in made_by(instance, run.run_id).items()}
    specs: dict[str, Any] = {name: spec for name, spec in made.items() if spec}
    came_to = results_of(instance, run)
    results = {"state": came_to["state"]}
    for artifact in came_to["artifacts"]:
        results[artifact["asset"]] = artifact["digest"][:12]
        results |= _flat(artifact["facts"], artifact["asset"])
    for asset, rows in metrics_of(instance, run.run_id).items():
        results |= {f"{asset} {row['metric']}, last epoch": row["last"] for row in _extremes(rows)}
    return {
        "args": _flat(run.run_config),
        "config": {k: v for name, spec in specs.items() for k, v in _flat(spec["config"], name).items()},
        "source": {f"{n} {p}": v[:12] for n, spec in specs.items() for p, v in spec["code"].items()},
        "input": {f"{n} {p}": v[:12] for n, spec in specs.items() for p, v in spec["inputs"].items()},
        "environment": _manifest(instance, run.run_id),
        "result": results,
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
