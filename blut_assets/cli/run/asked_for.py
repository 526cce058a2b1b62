"""Finds which artifacts a person means that names runs, models, digests or files: here, and in the remote."""

from collections.abc import Iterable
from pathlib import Path

import dagster as dg

from blut_assets.cli.run.lookup import made_by
from blut_assets.history.identify import Unknown, identify
from blut_assets.history.lineage import Lineage
from blut_assets.stages import reuse
from blut_resources.alive import NoSuchRun, find_run
from blut_resources.machine.threads import at_once
from blut_resources.remote.tier import RemoteTier
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactStore

AT_ONCE = 8
Found = dict[str, str]
"""Digest -> the asset that made it, as far as that is known."""


def found_here(instance: dg.DagsterInstance, store: ArtifactStore, asked: Iterable[str]) -> Found:
    """Returns the artifacts of runs, models, digests or files that this history or store knows.

    Raises:
        Unknown: nothing is known of one.
        Ambiguous: one may mean more than one artifact.
        RegistryError: the registry has no such name.
    """
    lineage, found = Lineage(instance), Found()
    for one in asked:
        found |= _of_run(instance, one) or {
            each.digest: _asset(lineage, each.digest) for each in identify(one, lineage, store)
        }
    return found


def all_here(instance: dg.DagsterInstance, store: ArtifactStore) -> Found:
    """Returns every artifact that lies in the store."""
    lineage = Lineage(instance)
    return {one.digest: _asset(lineage, one.digest) for one in store.list() if not one.external}


def found_there(instance: dg.DagsterInstance, tier: RemoteTier, asked: Iterable[str]) -> Found:
    """Returns the artifacts that runs, models, digests or files stand for, and that the remote has.

    What this history knows nothing of is looked for there: a digest, or a run of another machine.

    Raises:
        Unknown: nothing is known of one here, and nothing of it is there.
        Ambiguous: one may mean more than one artifact.
        RegistryError: the registry has no such name.
        RemoteError: the remote does not answer.
    """
    found, there = Found(), tier.digests()
    noted: list[results.Result] | None = None
    for one in asked:
        try:
            here = found_here(instance, tier.store, [one])
            found |= {digest: asset for digest, asset in here.items() if digest in there}
        except Unknown:
            wanted = {digest: "" for digest in there if digest.startswith(one.lower())} if one else {}
            if not wanted:
                noted = all_noted(tier) if noted is None else noted
                wanted = {each.digest: _key(each) for each in noted if each.run_id.startswith(one)}
            if not wanted:
                raise Unknown(
                    f"{one}: neither this history nor {tier.bucket.url} knows such a run or digest"
                ) from None
            found |= {digest: asset for digest, asset in wanted.items() if digest in there}
    return found


def all_noted(tier: RemoteTier) -> list[results.Result]:
    """Returns every result that is noted in the remote. Raises RemoteError."""

    def read(path: Path) -> results.Result | None:
        return results.parsed(tier.bucket.read(tier.path_of(path)) or b"", path.stem)

    found = dict(at_once(read, [*tier.noted()], AT_ONCE))
    return [one for path in sorted(found) if (one := found[path])]


def _of_run(instance: dg.DagsterInstance, asked: str) -> Found:
    try:
        run = find_run(instance, asked)
    except NoSuchRun:
        return {}
    events = made_by(instance, run.run_id).items()
    return {digest: asset for asset, event in events if (digest := reuse.digest_of(event))}


def _asset(lineage: Lineage, digest: str) -> str:
    return next((way.asset for way in lineage.ways(digest)), "")


def _key(noted: results.Result) -> str:
    return noted.event.asset_key.to_user_string()
