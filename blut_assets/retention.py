"""Which stored bytes must stay, and the removal of the others."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from blut_assets import reuse
from blut_resources.instance import home_of, store_of
from blut_resources.registry import ModelRegistry, Registration
from blut_resources.store import CollectReport
from blut_resources.store_gc import NEWEST


def reachable(instance: dg.DagsterInstance, newest: int, retiring: Registration | None = None) -> set[str]:
    """Digests of each asset's newest results, of all that is promoted, and of what they were made of.

    Args:
        newest: different results, so that a day of reused ones does not push out the one before.
        retiring: a registered version that is taken for retired.
    """
    made_of: dict[str, set[str]] = {}
    roots = ModelRegistry(store_of(instance).root / "registry").promoted_digests(retiring)
    for key in instance.get_asset_keys():
        seen: list[str] = []
        for record in reuse.materializations(instance, key):
            event = record.asset_materialization
            digest = reuse.digest_of(event) if event else ""
            if event is None or not digest:
                continue
            made_of.setdefault(digest, set()).update(reuse.inputs_of(event).values())
            if digest not in seen:
                seen.append(digest)
        roots |= set(seen[:newest])
    return _closure(roots, made_of)


def _closure(roots: Iterable[str], made_of: dict[str, set[str]]) -> set[str]:
    kept: set[str] = set()
    todo = list(roots)
    while todo:
        digest = todo.pop()
        if digest not in kept:
            kept.add(digest)
            todo += made_of.get(digest, ())
    return kept


def freed_by_retiring(instance: dg.DagsterInstance, version: Registration, newest: int = NEWEST) -> int:
    """Bytes in the store that are kept there for a registered version alone."""
    freed = reachable(instance, newest) - reachable(instance, newest, version)
    return sum(i.n_bytes for i in store_of(instance).list() if i.digest in freed and not i.external)


def collect_garbage(
    instance: dg.DagsterInstance, *, newest: int = NEWEST, dry_run: bool = False
) -> CollectReport:
    """Remove stored bytes that nothing reaches, nothing uses, and nobody touched within the last hour.

    Raises:
        ValueError: if ``newest`` is below 1, or another instance keeps its results in the same store.
    """
    if newest < 1:
        raise ValueError(f"newest = {newest}: keep at least 1 result per asset")
    store = store_of(instance)
    homes = {Path(note.read_text()) for note in (store.root / "homes").iterdir() if note.suffix != ".tmp"}
    others = sorted(str(home) for home in homes - {home_of(instance)} if home.is_dir())
    if others:
        raise ValueError(
            f"the store {store.root} also serves {', '.join(others)}, whose results would be lost: collect"
            " only when that instance is deleted or has a store of its own"
        )
    return store.collect(reachable(instance, newest), dry_run=dry_run)
