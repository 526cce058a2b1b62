"""Implements `blut cache show|stats|verify|prune`, and mounts what copies artifacts to a bucket:
how large the artifact store is, what it has saved, whether it is sound, what may go.
"""

import math
from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from blut_assets.cli.commands.cache_remote import pull, push, sync
from blut_assets.cli.commands.cache_user import cache_rows, prune_cache, show_cache
from blut_assets.cli.shell.completion import RunId
from blut_assets.terminal.lazy import group
from blut_assets.terminal.output import (
    AsJson,
    ago,
    columns,
    counted,
    duration,
    failed,
    moment,
    print_json,
    size,
    wrong,
)
from blut_resources.store.gc import NEWEST

if TYPE_CHECKING:
    from blut_resources.store.gc import CollectReport

app = group("The artifact store.")
app.command("push")(push)
app.command("pull")(pull)
app.command("sync")(sync)


@app.command("show")
def show(
    everything: Annotated[bool, typer.Option("--all", help="Every artifact, not only the totals.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show where the store is, how much it holds, what of that each asset made, and what can be freed now.

    Apart from it what lies in your cache: downloaded samples, builds and downloads, with how to remove each.

    With --all also the run that made each artifact; `blut lineage DIGEST` says of what.
    """
    from blut_assets.cli.views.store import free_words, store_held
    from blut_resources.instance.instance import open_instance

    with open_instance(write=False) as instance:
        found = store_held(instance)
    items, totals, free = found["artifacts"], found["totals"], found["free_now"]
    cache = cache_rows()
    if as_json:
        held = {"store": found["store"], "totals": totals, "artifacts": items if everything else []}
        print_json({**held, "cache": cache, "free_now": free})
        return
    held = sum(item["bytes"] for item in items if not item["external"])
    typer.echo(f"{found['store']}: {len(items)} artifacts, {size(held)} of its own")
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
    typer.echo(free_words(free))
    show_cache(cache)


@app.command("verify")
def verify(
    quick: Annotated[
        bool, typer.Option("--quick", help="Hash only files whose time or size changed.")
    ] = False,
    digest: Annotated[str, typer.Argument(help="Only the artifact whose digest begins so.")] = "",
    as_json: AsJson = False,
) -> None:
    """Compare every artifact with its digest, byte by byte. Status 1 if one is missing or damaged.

    Data outside the store that another machine has recorded, and that is not here, is neither.

    Nothing is changed: a damaged artifact is set aside and made again when a run wants it.
    """
    from blut_assets.terminal.longwork import LongWork, shown
    from blut_resources.files.digest import heard_hashing
    from blut_resources.files.durable import ArtifactElsewhere
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.store.artifacts import StoreError

    with open_instance(write=False) as instance:
        store = store_of(instance)
        items = [item for item in store.list() if item.digest.startswith(digest)]
        if digest and not items:
            wrong(f"no artifact has a digest that begins with {digest!r}")
        problems: dict[str, str] = {}
        elsewhere: dict[str, str] = {}
        work = LongWork("verifying", 0 if quick else sum(item.n_bytes for item in items))
        with shown(work.line), heard_hashing(work if quick else lambda read, _: work(read)):
            for item in items:
                try:
                    store.verify(item.digest, full=not quick)
                except ArtifactElsewhere as error:
                    elsewhere[item.digest] = str(error)
                except StoreError as error:
                    problems[item.digest] = str(error)
    if as_json:
        print_json({"verified": len(items), "damaged": problems, "elsewhere": elsewhere})
    else:
        away = f", {len(elsewhere)} on another machine" if elsewhere else ""
        looked = f"{len(items)} artifacts looked at, {len(problems)} damaged or missing{away}"
        lines = [*problems.values(), *elsewhere.values(), looked]
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
    even_recent: Annotated[
        bool,
        typer.Option(
            "--even-recent", help="Also what was used within the last hour, if no run goes on with it."
        ),
    ] = False,
    samples: Annotated[
        bool, typer.Option("--samples", help="Remove downloaded samples from your cache, and nothing else.")
    ] = False,
    cache: Annotated[
        bool,
        typer.Option(
            "--cache", help="Remove builds and downloads from your cache, and nothing of the store."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Remove artifacts that neither the newest results, nor a registered model, nor the best trial of a sweep
    were made of. Of a sweep that was ended early, the results of all of its trials stay: it may go on.

    What is in use, or was used within the last hour, stays; it is said how much that is, and until when.
    --even-recent takes that too, but not what a run that goes on holds or has touched.

    Every registered version keeps what it was made of, its merged model in float32 included: `blut
    model retire NAME@VERSION` lets go of one, and `blut runs prune` of sweeps.
    """
    from blut_assets.cli.run.alerting import reap_and_tell
    from blut_assets.history.retention import collect_garbage
    from blut_assets.sweeps.standing import needed
    from blut_assets.terminal.longwork import LongWork, shown
    from blut_resources.instance.instance import open_instance, store_of
    from blut_resources.leases.permits import disk_permit

    if samples or cache:
        prune_cache(samples=samples, everything=cache, dry_run=dry_run, as_json=as_json)
        return
    with open_instance(write=not dry_run) as instance:
        if even_recent:  # a run whose process is gone holds nothing any more
            reap_and_tell(instance)
        try:
            if max_gb is not None and not math.isfinite(max_gb):
                wrong(f"--max-gb {max_gb}: give a number of GB, such as 50")
            allowed = None if max_gb is None else int(max_gb * 1e9)
            options = {"newest": newest, "dry_run": dry_run, "unknown": unknown, "even_recent": even_recent}
            say = partial(typer.echo, err=True)
            work = LongWork("pruning", unit=lambda n: counted(n, "artifact"))
            with nullcontext() if dry_run else disk_permit("blut cache prune", say), shown(work.line):
                report = collect_garbage(instance, **options, max_bytes=allowed, needed=needed, told=work)
            sizes = {item.digest: 0 if item.external else item.n_bytes for item in store_of(instance).list()}
        except ValueError as error:
            failed(str(error))
    if as_json:
        print_json({**report._asdict(), "leftovers": [str(path) for path in report.leftovers]})
        return
    verb = "would remove" if dry_run else "removed"
    left = f" and {counted(len(report.leftovers), 'leftover')} of dead processes" if report.leftovers else ""
    typer.echo(f"{verb} {counted(len(report.removed), 'artifact')}{left}, {size(report.bytes_freed)}")
    if allowed is None:
        recent = f"{len(report.recent)} {_lately(report, even_recent)}"
        typer.echo(f"spared {len(report.in_use)} in use and {recent}")
    else:
        typer.echo("\n".join(_stays(report, sizes, allowed, newest, _lately(report, even_recent))))


def _lately(report: "CollectReport", even_recent: bool) -> str:
    """Says since when the recent ones were used, how much that is, until when, and what takes them."""
    if report.recent_until is None:
        return "used within the last hour"
    if even_recent:
        return f"used since a run began that goes on, {size(report.bytes_recent)}"
    until = moment(report.recent_until)[:16]
    return f"used within the last hour: {size(report.bytes_recent)}, until {until}, or now with --even-recent"


def _stays(
    report: "CollectReport", sizes: dict[str, int], allowed: int, newest: int, lately: str
) -> list[str]:
    """Says how much stays, and of each part why; ``lately`` of what was used just before."""
    left = report.bytes_left or 0
    over = "" if left <= allowed else f", {size(left - allowed)} too much"
    by_reason = {
        "in use": report.in_use,
        lately: report.recent,
        "might go, and there is room": report.spared,
    }
    named = {*report.removed, *(digest for digests in by_reason.values() for digest in digests)}
    needed = f"the newest {newest} results of each asset, models, sweeps, and what these were made of"
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
