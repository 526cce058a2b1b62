"""Implements `blut cache show|stats|verify|prune`:
how large the artifact store is, what it has saved, whether it is sound, what may go.
"""

import math
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.shell.completion import RunId
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import AsJson, ago, columns, duration, failed, print_json, size, wrong
from blut_resources.store.gc import NEWEST

if TYPE_CHECKING:
    from blut_resources.store.gc import CollectReport

app = group("The artifact store.")


@app.command("show")
def show(
    everything: Annotated[bool, typer.Option("--all", help="Every artifact, not only the totals.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where the store is, how much it holds, and what of that each asset made.

    With --all also the run that made each artifact; `blut lineage DIGEST` says of what.
    """
    from blut_assets.history.lineage import Lineage
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=False) as instance:
        store, lineage = store_of(instance), Lineage(instance)
        items = [
            {
                "digest": item.digest,
                "asset": ", ".join(sorted({way.asset for way in lineage.ways(item.digest)})),
                "runs": list(dict.fromkeys(way.run_id for way in lineage.ways(item.digest))),
                "made_by": {way.run_id: way.elsewhere for way in lineage.ways(item.digest) if way.elsewhere},
                "files": item.n_files,
                "bytes": item.n_bytes,
                "used": item.created,
                "external": item.external,
                "path": str(item.location),
            }
            for item in store.list()
        ]
    totals = _totals(items)
    if as_json:
        print_json({"store": str(store.root), "totals": totals, "artifacts": items if everything else []})
        return
    held = sum(item["bytes"] for item in items if not item["external"])
    typer.echo(f"{store.root}: {len(items)} artifacts, {size(held)} of its own")
    if everything and items:
        rows = [
            {
                **{name: value for name, value in item.items() if name != "made_by"},
                "digest": item["digest"][:12],
                "runs": ", ".join(
                    f"{run[:8]} of {whose}" if (whose := item["made_by"].get(run)) else run[:8]
                    for run in item["runs"]
                ),
                "bytes": size(item["bytes"]),
                "used": ago(item["used"]),
            }
            for item in items
        ]
        typer.echo(columns(rows))
    elif totals:
        typer.echo(columns([{**row, "bytes": size(row["bytes"])} for row in totals]))


def _totals(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the sizes by asset, the largest first; what stays where the user keeps it is counted apart."""
    found: dict[tuple[str, bool], list[int]] = {}
    for item in items:
        found.setdefault((item["asset"] or "(no longer known)", item["external"]), []).append(item["bytes"])
    rows = [
        {
            "asset": asset,
            "artifacts": len(sizes),
            "bytes": sum(sizes),
            "where": "yours" if external else "store",
        }
        for (asset, external), sizes in found.items()
    ]
    return sorted(rows, key=lambda row: -row["bytes"])


@app.command("verify")
def verify(
    quick: Annotated[
        bool, typer.Option("--quick", help="Hash only files whose time or size changed.")
    ] = False,
    digest: Annotated[str, typer.Argument(help="Only the artifact whose digest begins so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compare every artifact with its digest, byte by byte. Status 1 if one is missing or damaged.

    Nothing is changed: a damaged artifact is set aside and made again when a run wants it.
    """
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.store.artifacts import StoreError

    with open_instance(write=False) as instance:
        store = store_of(instance)
        items = [item for item in store.list() if item.digest.startswith(digest)]
        if digest and not items:
            wrong(f"no artifact has a digest that begins with {digest!r}")
        problems: dict[str, str] = {}
        for item in items:
            try:
                store.verify(item.digest, full=not quick)
            except StoreError as error:
                problems[item.digest] = str(error)
    if as_json:
        print_json({"verified": len(items), "damaged": problems})
    else:
        lines = [*problems.values(), f"{len(items)} artifacts looked at, {len(problems)} damaged or missing"]
        typer.echo("\n".join(lines))
    raise typer.Exit(1 if problems else 0)


@app.command("prune")
def prune(
    newest: Annotated[
        int, typer.Option("--newest", min=1, help="Different results to keep per asset.")
    ] = NEWEST,
    max_gb: Annotated[
        float | None,
        typer.Option(
            "--max-gb",
            metavar="GB",
            min=0,
            help="Remove only until the store holds no more than that, what was used longest ago first.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Also where the history knows of hardly any of them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove artifacts that neither the newest results nor a registered model were made of.

    What is in use, or was used within the last hour, stays; with --max-gb it is said how much that is.

    Every registered version keeps what it was made of, its merged model in float32 included: `blut
    model retire NAME@VERSION` lets go of one.
    """
    from blut_assets.history.retention import collect_garbage
    from blut_resources.instance.instance import open_instance, store_of

    with open_instance(write=not dry_run) as instance:
        try:
            if max_gb is not None and not math.isfinite(max_gb):
                wrong(f"--max-gb {max_gb}: give a number of GB, such as 50")
            allowed = None if max_gb is None else int(max_gb * 1e9)
            options = {"newest": newest, "dry_run": dry_run, "unknown": unknown}
            report = collect_garbage(instance, **options, max_bytes=allowed)
            sizes = {item.digest: 0 if item.external else item.n_bytes for item in store_of(instance).list()}
        except ValueError as error:
            failed(str(error))
    if as_json:
        print_json({**report._asdict(), "leftovers": [str(path) for path in report.leftovers]})
        return
    verb = "would remove" if dry_run else "removed"
    left = f" and {len(report.leftovers)} leftovers of dead processes" if report.leftovers else ""
    typer.echo(f"{verb} {len(report.removed)} artifacts{left}, {size(report.bytes_freed)}")
    if allowed is None:
        typer.echo(
            f"spared {len(report.in_use)} in use and {len(report.recent)} touched within the last hour"
        )
    else:
        typer.echo("\n".join(_stays(report, sizes, allowed, newest)))


def _stays(report: "CollectReport", sizes: dict[str, int], allowed: int, newest: int) -> list[str]:
    """Says how much stays, and of each part why."""
    left = report.bytes_left or 0
    over = "" if left <= allowed else f", {size(left - allowed)} too much"
    by_reason = {
        "in use": report.in_use,
        "used within the last hour": report.recent,
        "might go, and there is room": report.spared,
    }
    named = {*report.removed, *(digest for digests in by_reason.values() for digest in digests)}
    needed = f"the newest {newest} results of each asset, registered models, and what these were made of"
    by_reason = {needed: tuple(sizes.keys() - named), **by_reason}
    return [
        f"{size(left)} stay, of {size(allowed)} that are allowed{over}",
        *(
            f"  {size(sum(sizes.get(digest, 0) for digest in digests))} in {len(digests)} artifacts: {reason}"
            for reason, digests in by_reason.items()
            if digests
        ),
    ]


@app.command("stats")
def stats(run_id: RunId, as_json: AsJson = False) -> None:
    """Show which assets a run reused, and which it computed.

    Also what the reused ones took when they were computed: that is what the run has saved, as far as it is
    known.
    """
    from blut_assets.cli.run.lookup import made_by, run_named
    from blut_assets.cli.run.report import how
    from blut_assets.definitions import discovered
    from blut_assets.stages import reuse
    from blut_assets.stages.spec import specs_of
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        run = run_named(instance, run_id)
        events = made_by(instance, run.run_id)
    specs = specs_of(asset for cookbook in discovered.cookbooks for asset in cookbook.assets)
    rows = []
    for name, event in events.items():
        result, seconds = how(event, specs), getattr(event.metadata.get(reuse.SECONDS), "value", None)
        reused = result == "reused"
        rows.append(
            {
                "asset": name,
                "result": result,
                "seconds_spent": None if reused else seconds,
                "seconds_saved": seconds if reused else None,
            }
        )
    found = {"run": run.run_id, "assets": rows, **_tally(rows)}
    if as_json:
        print_json(found)
        return
    shown = [
        {
            "asset": row["asset"],
            "result": row["result"],
            "spent": duration(row["seconds_spent"]),
            "saved": duration(row["seconds_saved"]),
        }
        for row in rows
    ]
    unknown = found["saved_unknown"]
    lines = [columns(shown)] if rows else []
    lines.append(
        f"{found['reused']} reused, {found['computed']} computed; {duration(found['seconds_saved'])} saved,"
        f" {duration(found['seconds_spent'])} spent"
        + (f"; what {unknown} of the reused took is not known" if unknown else "")
    )
    typer.echo("\n".join(lines))


def _tally(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns the sums; what nobody knows is in none of them."""
    reused = [row for row in rows if row["result"] == "reused"]
    saved = [row["seconds_saved"] for row in reused if row["seconds_saved"] is not None]
    spent = [row["seconds_spent"] for row in rows if row["seconds_spent"] is not None]
    return {
        "reused": len(reused),
        "computed": sum(row["result"] == "computed" for row in rows),
        "seconds_saved": sum(saved) if saved or not reused else None,
        "saved_unknown": len(reused) - len(saved),
        "seconds_spent": sum(spent),
    }
