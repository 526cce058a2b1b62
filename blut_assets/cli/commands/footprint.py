"""Implements `blut footprint list|show|forget`: what computations took, and which of them do not count."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.completion import RUN_ID, complete_run
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, ago, duration, failed, listing, wrong
from blut_resources.text import meant, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from blut_assets.history.measured import Computed

app = group("What computations took, by the args that drive it, and what is leased for them.")
Asset = Annotated[str, typer.Argument(metavar="ASSET", help="An asset's key, such as toybook/classifier.")]
ARGS = 48
"""Characters of the args in a table."""
NOTHING = "nothing was measured yet: the first run of an asset leases what it declares"


@app.command("list")
def list_kinds(as_json: AsJson = False) -> None:
    """List each asset's kinds of args, what they took, and what would be leased for them now.

    Peak is the largest amount of memory that counts, time that of the newest computation. Of the args it
    shows those in which the kinds of an asset differ; --json has all.
    """
    kinds: dict[tuple[str, str], list[Computed]] = {}
    # of one that runs no payload nothing is measured, and nothing leased
    for one in (one for one in _measured(None) if one.peak or one.leases):
        kinds.setdefault((one.asset, one.kind), []).append(one)
    rows = [_kind(found) for found in kinds.values()]
    listing(rows if as_json else _in_words(rows), as_json, NOTHING)


@app.command()
def show(asset: Asset, as_json: AsJson = False) -> None:
    """Show every computation of an asset: its run, its args, what it took, and whether that counts."""
    found = _measured(asset)
    if not found:
        failed(f"{asset}{_near(asset)}: {NOTHING}")
    rows = [one.as_dict() for one in found]
    listing(rows if as_json else _in_words(rows), as_json, NOTHING)


@app.command()
def forget(
    asset: Annotated[str, typer.Argument(metavar="[ASSET]", help="All of one asset, or what is named.")] = "",
    run: Annotated[
        str, typer.Option("--run", help=f"What it computed. {RUN_ID}", autocompletion=complete_run)
    ] = "",
    kind: Annotated[str, typer.Option("--kind", help="Those with these args, as `list` names them.")] = "",
    as_json: AsJson = False,
) -> None:
    """Have computations not count for what a later one leases.

    For one whose peak says nothing of others: a leak that is mended, a machine that was full. The history and
    what was made stay as they are; a computation after this counts again.
    """
    from blut_assets.stages.forgotten import forget as keep
    from blut_resources.instance.instance import open_instance

    if not (asset or run or kind):
        wrong("footprint forget: name an asset, a run (--run) or a kind of args (--kind)")
    found = [
        one
        for one in _measured(asset or None)
        if one.run.startswith(run) and one.kind.startswith(kind) and one.counts
    ]
    if run and len(runs := {one.run for one in found}) > 1:
        wrong(f"--run {run}: {len(runs)} runs begin so; give more of the id")
    if not found:
        where = f"{_near(asset)}: `blut footprint show {asset}`" if asset else ": `blut footprint list`"
        failed(f"nothing that counts is named so{where} has all that was measured")
    with open_instance() as instance:
        keep(instance, {(one.asset, one.run) for one in found})
    if as_json:
        listing([{"asset": one.asset, "run": one.run, "kind": one.kind} for one in found], as_json, "")
        return
    for one in found:
        typer.echo(f"{one.asset}, run {one.run[:8]}: {_size(one.peak)} of memory do not count any more")


def _near(asset: str) -> str:
    """Returns which measured asset one of that name may stand for; empty if it is one, or none is near."""
    names = {one.asset for one in _measured(None)} if asset else set[str]()
    return "" if asset in names else meant(asset, names)


def _measured(asset: str | None) -> "list[Computed]":
    import dagster as dg

    from blut_assets.definitions import discovered
    from blut_assets.history.measured import measured
    from blut_assets.stages.spec import specs_of
    from blut_resources.instance.instance import open_instance

    specs = specs_of([one for cookbook in discovered.cookbooks for one in cookbook.assets])
    with open_instance(write=False) as instance:
        return [*measured(instance, specs, dg.AssetKey.from_user_string(asset) if asset else None)]


def _kind(found: "Sequence[Computed]") -> dict[str, Any]:
    """Returns the row of computations of one kind, the newest first."""
    newest, counted = found[0], [one for one in found if one.counts]
    return {
        "asset": newest.asset,
        "kind": newest.kind,
        "args": newest.args,
        "gpus": newest.gpus,
        "runs": len(counted),
        "forgotten": len(found) - len(counted),
        "peak": max((one.peak for one in counted if one.peak), default=None),
        "seconds": next((one.seconds for one in counted), None),
        "run": newest.run,
        "leases": newest.leases,
    }


def _in_words(rows: "Sequence[Mapping[str, Any]]") -> list[dict[str, Any]]:
    beside: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        beside.setdefault(row["asset"], []).append(row["args"] or {})
    return [_row(row, beside[row["asset"]]) for row in rows]


def _args(args: "Mapping[str, Any] | None", beside: "Sequence[Mapping[str, Any]]") -> str:
    """Returns those args that others of the asset have not, or all where there are no such; cut to a cell."""
    if args is None:
        return "not noted"
    differ = {k: v for k, v in args.items() if any(k not in one or one[k] != v for one in beside)}
    return one_line(" ".join(f"{k}={json.dumps(v)}" for k, v in (differ or args).items()), ARGS)


def _row(row: "Mapping[str, Any]", beside: "Sequence[Mapping[str, Any]]") -> dict[str, Any]:
    words = {
        "args": _args(row["args"], beside),
        "gpus": "-" if row["gpus"] is None else row["gpus"],
        "run": row["run"][:8],
        "peak": _size(row["peak"]),
        "seconds": duration(row["seconds"]),
    }
    if "at" in row:
        words |= {"at": ago(row["at"]), "counts": "yes" if row["counts"] else "no, forgotten"}
    return {
        {"seconds": "took", "at": "age"}.get(name, name): words.get(name, value)
        for name, value in row.items()
    }


def _size(peak: int | None) -> str:
    from blut_resources.machine.memory import size_text

    return size_text(peak) if peak else "not measured"
