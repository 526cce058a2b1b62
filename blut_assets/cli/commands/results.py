"""Implements `blut results`: what a run came to in numbers and artifacts, and without ID each recipe."""

import itertools
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.completion import RunId
from blut_assets.terminal.lazy import single
from blut_assets.terminal.output import AsJson, columns, duration, print_json, size, wrong
from blut_resources.text import meant

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.history.newest import Newest

app = single()
NO_METRIC = ("run_id", "asset", "epoch", "step", "phase", "timestamp", "resumed_from")
PASSED = "passed"
"""The fact of a result that was judged."""
REASONS = "reasons"
"""The metadata of one that says why it did not pass."""
DIGEST = re.compile("[0-9a-f]{64}")
Rows = list[dict[str, Any]]


@app.command()
def results(
    run_id: RunId = "",
    metric: Annotated[str, typer.Option("--metric", help="Show the epoch that is best by this one.")] = "",
    maximize: Annotated[
        bool, typer.Option("--maximize/--minimize", help="Which end of --metric is best.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what a run came to.

    Metrics over its epochs, artifacts with digests and places, checks, and how it ended. Without ID: the
    newest run of each recipe, with the name that it gave and its main figures, or why it gave none.
    """
    if not run_id:
        if metric:
            wrong(f"--metric {metric}: say of which run, as `blut results ID --metric {metric}`")
        _show_newest(as_json)
        return
    from blut_assets.cli.run.lookup import epochs_of, run_named
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        found = results_of(instance, run_named(instance, run_id))
        metrics = epochs_of(instance, found["run"])
    found["metrics"] = {asset: _extremes(rows) for asset, rows in metrics.items()}
    found["resumed_from"] = {asset: seams for asset, rows in metrics.items() if (seams := _seams(rows))}
    if metric:
        found["best"] = _best(metrics, metric, maximize)
    if as_json:
        print_json(found)
    else:
        typer.echo("\n".join(_lines(found)))


def _show_newest(as_json: bool) -> None:
    from blut_assets.cli.run.alerting import reap_and_tell
    from blut_assets.definitions import discovered
    from blut_assets.history.newest import newest
    from blut_assets.terminal.output import listing, numbers
    from blut_resources.instance.instance import open_instance

    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
    with open_instance(write=False) as instance:
        reap_and_tell(instance)
        found = newest(instance, recipes)
    if as_json:
        print_json([one.as_dict() for one in found])
        return
    parted = any(one.partition for one in found)
    rows = [
        {
            "recipe": one.recipe,
            **({"partition": one.partition or "-"} if parted else {}),
            "ended": one.ended,
            "name": one.alias,
            "figures": numbers(one.figures),
            "took": duration(one.seconds),
            "run": one.run[:8],
        }
        for one in found
    ]
    listing(rows, False, "no recipe has run here; `blut recipe list` says which there are")
    told = [f"{_called(one)} {one.ended}: {_first(one.why)}" for one in found if one.why]
    typer.echo("\n".join(["", *told]) if told else "", nl=bool(told))


def _called(one: "Newest") -> str:
    from blut_assets.stages.partitions import part

    return part(one.recipe, one.partition) if one.partition else one.recipe


def _first(why: str) -> str:
    """Returns the first of several reasons, and how many more there are."""
    first, *others = why.split("; ")
    return f"{first}; and {len(others)} more: `blut results ID` has all" if others else first


def results_of(instance: "dg.DagsterInstance", run: "dg.DagsterRun") -> dict[str, Any]:
    """Returns state, times, artifacts and checks of a run, as plain values."""
    from blut_assets.cli.run.lookup import checks_of, made_by, title_of
    from blut_assets.history.failures import ended_as
    from blut_assets.history.partitions import partition_of_run
    from blut_assets.history.took import took

    record = instance.get_run_record_by_id(run.run_id)
    state, why = ended_as(instance, run)
    return {
        "run": run.run_id,
        "recipe": title_of(run),
        "partition": str(partition_of_run(run.tags) or ""),
        "state": state,
        "why": why,
        "seconds": took(instance, record) if record else None,
        "artifacts": [_artifact(instance, event) for event in made_by(instance, run.run_id).values()],
        "checks": checks_of(instance, run.run_id),
    }


def _artifact(instance: "dg.DagsterInstance", event: Any) -> dict[str, Any]:
    from blut_assets.stages import reuse
    from blut_resources.instance.instance import store_of
    from blut_resources.store.artifacts import StoreError

    metadata, name = event.metadata, event.asset_key.to_user_string()
    digest = reuse.digest_of(event)
    if not digest:
        return {
            "asset": name,
            "result": "made outside of Blut",
            "digest": "",
            "facts": {},
            "why": "",
            "path": "",
            "made_by": "",
            "job": {},
            "cost": {},
        }
    try:
        path = str(store_of(instance).open(digest))
    except StoreError:
        path = ""
    facts = {k: v for k, v in metadata[reuse.ARTIFACT].value.items() if k != "digest"}
    return {
        "asset": name,
        "result": "reused" if reuse.is_reused(event) else "made",
        "made_by": reuse.word_of(event, reuse.MADE_BY),
        "digest": digest,
        "facts": facts,
        "why": reuse.word_of(event, REASONS) if facts.get(PASSED) is False else "",
        "path": path,
        "job": {} if reuse.is_reused(event) else _job(event),
        "cost": _cost(event),
    }


def _cost(event: Any) -> dict[str, float]:
    """Returns what it took to compute, in this run or in the one that it is reused from, as far as known."""
    from blut_assets.stages import reuse
    from blut_resources.machine.energy import CPU, GPU

    found = {name: reuse.number_of(event, name) for name in (reuse.SECONDS, reuse.PEAK, CPU, GPU)}
    return {name: value for name, value in found.items() if value is not None}


def _job(event: Any) -> dict[str, Any]:
    """Returns by which job of a cluster it was computed, and how long that waited and worked."""
    from blut_assets.stages import reuse

    known = {name: word for name in reuse.LAUNCHED if (word := reuse.word_of(event, name))}
    times = {name: reuse.number_of(event, name) for name in (reuse.QUEUED, reuse.SECONDS)}
    return {**known, **times} if known else {}


def _extremes(rows: Rows) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for row in rows for name in row if name not in NO_METRIC)
    found = []
    for name in names:
        values = [(row[name], row["epoch"]) for row in rows if _number(row.get(name))]
        if values:
            low, high = min(values), max(values)
            found.append(
                {
                    "metric": name,
                    "last": values[-1][0],
                    "lowest": low[0],
                    "lowest_epoch": low[1],
                    "highest": high[0],
                    "highest_epoch": high[1],
                }
            )
    return found


def _seams(rows: Rows) -> list[dict[str, Any]]:
    """Returns where a training was resumed: after which epoch, and of which run that was, if of another."""
    pairs = itertools.pairwise(rows)
    return [
        {"epoch": new["resumed_from"], "run": old.get("run_id", "")}
        for old, new in pairs
        if new.get("resumed_from") is not None and new["resumed_from"] != old.get("resumed_from")
    ]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and value - value == 0


def _best(metrics: dict[str, Rows], metric: str, maximize: bool) -> dict[str, Any]:
    rows = [
        {"asset": asset, **row} for asset, of in metrics.items() for row in of if _number(row.get(metric))
    ]
    if not rows:
        names = {name for of in metrics.values() for row in of for name in row} - {*NO_METRIC}
        known = ", ".join(sorted(names)) or "none"
        wrong(f"--metric {metric}{meant(metric, names)}: the run has no such number; it has {known}")
    return (max if maximize else min)(rows, key=lambda row: row[metric])


def _lines(found: dict[str, Any]) -> list[str]:
    from blut_assets.stages.partitions import part
    from blut_assets.terminal.output import numbers

    took = "" if found["seconds"] is None else f" after {duration(found['seconds'])}"
    name = part(found["recipe"], found["partition"]) if found["partition"] else found["recipe"]
    lines = [f"{name} {found['state']}{took}, run {found['run']}"]
    lines += [found["why"]] if found["why"] else []
    for asset, rows in found["metrics"].items():
        lines += ["", asset, columns([_shown(row) for row in rows])] if rows else []
        for seam in found["resumed_from"].get(asset, ()):
            of = f" of run {seam['run'][:8]}" if seam["run"] else ""
            lines.append(f"resumed after epoch {seam['epoch']:g}{of}; the numbers are of all epochs")
    if "best" in found:
        best = {k: v for k, v in found["best"].items() if k not in ("asset", "epoch", *NO_METRIC)}
        lines += ["", f"best: {found['best']['asset']}, epoch {found['best']['epoch']}: {numbers(best)}"]
    if found["artifacts"]:
        shown = [{**a, "cost": _in_words(a["cost"]), "facts": _short(a["facts"])} for a in found["artifacts"]]
        table = [{k: a[k] for k in ("asset", "result", "cost", "digest", "facts")} for a in shown]
        lines += ["", columns([{**row, "digest": row["digest"][:12]} for row in table])]
        lines += [f"the bytes of {a['asset']}: {a['path']}" for a in shown[-1:] if a["path"]]
        lines += [f"{a['asset']} was made by {a['made_by']}" for a in shown if a["made_by"]]
        lines += [f"{a['asset']}: {PASSED}=False: {a['why']}" for a in shown if a["why"]]
        lines += [_told(a["asset"], a["job"]) for a in shown if a["job"]]
    for check in found["checks"]:
        lines.append(f"check {check['check']}: {check['result']} {check['why']}".rstrip())
    return lines


def _told(asset: str, job: dict[str, Any]) -> str:
    """Returns in words by which job it was computed."""
    where = f"job {job.get('job_id', '?')} of {job.get('launcher', '?')} on {job.get('node', '?')}"
    waited, worked = (f"{job.get(name) or 0:.1f} s" for name in ("queue_seconds", "compute_seconds"))
    return f"{asset}: {where}, queued {waited}, computed {worked}"


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """Returns them with words for a header, and numbers that a person reads."""
    return {k.replace("_", " "): f"{v:.5g}" if isinstance(v, float) else v for k, v in row.items()}


def _short(facts: dict[str, Any]) -> str:
    from blut_assets.terminal.output import numbers

    return numbers({k: _cut(v) for k, v in facts.items() if isinstance(v, int | float | str)})


def _cut(value: Any) -> Any:
    """Returns a digest as short as everywhere, and anything else as it is."""
    return value[:12] if isinstance(value, str) and DIGEST.fullmatch(value) else value


def _in_words(cost: Mapping[str, float]) -> str:
    from blut_assets.stages import reuse

    seconds, peak = cost.get(reuse.SECONDS), cost.get(reuse.PEAK)
    joules = sum(value for name, value in cost.items() if name not in (reuse.SECONDS, reuse.PEAK))
    words = [duration(seconds)] if seconds is not None else []
    words += [size(peak)] if peak else []
    words += [f"{joules / 1000:.3g} kJ"] if joules else []
    return ", ".join(words)
