"""Shows and removes what lies in the user's cache, for `blut cache show` and `blut cache prune`."""

from typing import TYPE_CHECKING, Any

import typer

from blut_assets.terminal.output import ago, columns, print_json, size

if TYPE_CHECKING:
    from blut_resources.payload_kit.cached import Cached


def cache_rows() -> list[dict[str, Any]]:
    """Returns a row for each entry of the user's cache, with how to remove it."""
    from blut_resources.payload_kit.cached import cached

    return [
        {
            **{"what": one.name, "bytes": one.n_bytes, "used": one.used},
            "sample": one.sample,
            "remove": f"blut cache prune {_option(one)}",
            "path": str(one.path),
        }
        for one in cached()
    ]


def _option(one: "Cached") -> str:
    return "--samples" if one.sample else "--cache"


def show_cache(rows: list[dict[str, Any]]) -> None:
    """Print the user's cache: downloaded samples, and what was built or downloaded once for all homes."""
    from blut_resources.payload_kit.cache import cache_root

    total = sum(row["bytes"] for row in rows)
    typer.echo(
        f"\nyour cache, {cache_root()}: {size(total)}; what goes is downloaded or built again when needed"
    )
    shown = ("what", "bytes", "used", "remove")
    words = [{**row, "bytes": size(row["bytes"]), "used": ago(row["used"])} for row in rows]
    if rows:
        typer.echo(columns([{name: row[name] for name in shown} for row in words]))


def prune_cache(*, samples: bool, everything: bool, dry_run: bool, as_json: bool) -> None:
    """Remove samples, or all, of the user's cache; what somebody builds or uses stays, and is named."""
    from blut_resources.files.durable import StoreError
    from blut_resources.payload_kit.cached import cached, remove, sweep

    chosen = [one for one in cached() if (one.sample and samples) or (not one.sample and everything)]
    going = _at_work() if chosen else ""
    removed, stays = list["Cached"](), dict[str, str]()
    for one in chosen:
        try:
            reason = going or remove(one, dry_run=dry_run)
        except StoreError as error:
            reason = str(error)
        if reason:
            stays[one.name] = reason
        else:
            removed.append(one)
    if not dry_run:
        sweep()
    freed = sum(one.n_bytes for one in removed)
    if as_json:
        print_json({"removed": [one.name for one in removed], "bytes_freed": freed, "stays": stays})
        return
    verb = "would remove" if dry_run else "removed"
    typer.echo(f"{verb} {len(removed)} of the cache's entries, {size(freed)}")
    for line in [*(f"{verb} {one.name}, {size(one.n_bytes)}" for one in removed)]:
        typer.echo(f"  {line}")
    for name, reason in stays.items():
        typer.echo(f"  {name} stays: {reason}")


def _at_work() -> str:
    """Says which run or payload goes on, which may want any of it at any moment; empty if none does."""
    import dagster as dg

    from blut_resources.alive import reap_dead_runs
    from blut_resources.instance.instance import open_instance
    from blut_resources.leases.lease import LeaseError, holders, waiters

    ended = (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
    going = [status for status in dg.DagsterRunStatus if status not in ended]
    with open_instance(write=False) as instance:
        reap_dead_runs(instance)
        runs = instance.get_runs(dg.RunsFilter(statuses=going), limit=1)
    if runs:
        return f"run {runs[0].run_id[:8]} of {runs[0].job_name} goes on and may use it"
    try:
        claims = [*holders(), *waiters()]
    except LeaseError as error:
        return str(error)
    for claim in claims:
        asset, pid = claim.holder.get("asset", "a program"), claim.holder.get("pid", "?")
        return f"{asset} (pid {pid}) goes on and may use it"
    return ""
