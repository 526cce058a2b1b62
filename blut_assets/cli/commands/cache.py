"""Implements `blut cache show|verify|prune`:
how large the artifact store is, whether it is sound, what may go.
"""

from typing import Annotated, Any

import typer

from blut_assets.cli.lazy import group
from blut_assets.cli.output import AsJson, ago, columns, failed, print_json, size, wrong
from blut_resources.store.gc import NEWEST

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

    with open_instance() as instance:
        store, lineage = store_of(instance), Lineage(instance)
        items = [
            {
                "digest": item.digest,
                "asset": ", ".join(sorted({way.asset for way in lineage.ways(item.digest)})),
                "runs": list(dict.fromkeys(way.run_id for way in lineage.ways(item.digest))),
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
                **item,
                "digest": item["digest"][:12],
                "runs": ", ".join(run[:8] for run in item["runs"]),
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

    with open_instance() as instance:
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
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    unknown: Annotated[
        bool, typer.Option("--unknown", help="Also where the history knows of hardly any of them.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove artifacts that neither the newest results nor a registered model were made of.

    What is in use, or was used within the last hour, stays. Every registered version keeps what it was made
    of, its merged model in float32 included: `blut model retire NAME@VERSION` lets go of one.
    """
    from blut_assets.history.retention import collect_garbage
    from blut_resources.instance.instance import open_instance

    with open_instance() as instance:
        try:
            report = collect_garbage(instance, newest=newest, dry_run=dry_run, unknown=unknown)
        except ValueError as error:
            failed(str(error))
    if as_json:
        print_json({**report._asdict(), "leftovers": [str(path) for path in report.leftovers]})
        return
    verb = "would remove" if dry_run else "removed"
    left = f" and {len(report.leftovers)} leftovers of dead processes" if report.leftovers else ""
    typer.echo(f"{verb} {len(report.removed)} artifacts{left}, {size(report.bytes_freed)}")
    typer.echo(f"spared {len(report.in_use)} in use and {len(report.recent)} touched within the last hour")
