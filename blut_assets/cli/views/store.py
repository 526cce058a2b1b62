"""Computes what the artifact store holds, for `blut cache show` and the cockpit."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.terminal.output import moment, size

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.history.known import KnownHistory

REMOVED_BY = {
    "store": "blut cache prune",
    "sample": "blut cache prune --samples",
    "yours": "by you: it stays where you keep it",
}
"""Where the bytes of an artifact are -> how they are removed."""


def store_held(instance: "dg.DagsterInstance") -> dict[str, Any]:
    """Returns ``store`` (its place), ``totals`` by asset, the largest first, ``artifacts``, and ``free_now``:
    what `blut cache prune` would free.
    """
    from blut_assets.history.known import KnownHistory
    from blut_assets.history.lineage import Lineage
    from blut_resources.instance.instance import store_of
    from blut_resources.payload_kit.cache import cache_root

    own_cache = cache_root().resolve()
    known = KnownHistory(instance)
    free = _free_now(instance, known)
    store, lineage = store_of(instance), Lineage(instance, known)
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
            "sample": item.external and Path(item.location).resolve().is_relative_to(own_cache),
            "path": str(item.location),
        }
        for item in store.list()
    ]
    return {"store": str(store.root), "totals": _totals(items), "artifacts": items, "free_now": free}


def _free_now(instance: "dg.DagsterInstance", known: "KnownHistory") -> dict[str, Any]:
    """Returns what `blut cache prune` would free at this moment, and what stays for its recent use."""
    from blut_assets.history.retention import collect_garbage
    from blut_assets.sweeps.standing import needed
    from blut_resources.store.artifacts import StoreError

    try:
        report = collect_garbage(instance, dry_run=True, known=known, needed=needed)
    except (ValueError, StoreError) as error:
        return {"bytes": 0, "why": str(error)}
    recent = {"bytes_recent": report.bytes_recent, "recent_until": report.recent_until}
    return {"bytes": report.bytes_freed, "artifacts": len(report.removed), **recent}


def free_words(free: dict[str, Any]) -> str:
    """Returns what can be freed, and when more can be, in words."""
    if "why" in free:
        return f"nothing can be freed now: {free['why']}"
    words = f"{size(free['bytes'])} in {free['artifacts']} artifacts can be freed now: `blut cache prune`"
    if free["recent_until"]:
        until = moment(free["recent_until"])[:16]
        more = f"{size(free['bytes_recent'])} more from {until} on, or now with --even-recent"
        return f"{words}; {more}"
    return words


def _totals(items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the sizes by asset, the largest first; what stays where the user keeps it is counted apart."""
    found: dict[tuple[str, str], list[int]] = {}
    for item in items:
        where = "sample" if item["sample"] else "yours" if item["external"] else "store"
        found.setdefault((item["asset"] or "(no longer known)", where), []).append(item["bytes"])
    rows = [
        {
            **{"asset": asset, "artifacts": len(sizes), "bytes": sum(sizes), "where": where},
            "remove": REMOVED_BY[where],
        }
        for (asset, where), sizes in found.items()
    ]
    return sorted(rows, key=lambda row: -row["bytes"])
