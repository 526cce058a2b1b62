"""Finds the artifacts that hold given files, by what their manifests say of each file."""

from collections.abc import Collection
from typing import NamedTuple

from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.manifest import parse, read


class Holds(NamedTuple):
    """Says which files of an artifact were looked for: their relative names, ``""`` of a single file."""

    digest: str
    names: list[str]
    n_wanted: int


def holding(store: ArtifactStore, wanted: Collection[str]) -> list[Holds]:
    """Returns the artifacts with a file of one of these digests, those with most of them first.

    Reads manifests only: no artifact is looked at. One whose manifest is lost or damaged is left out.
    """
    asked, found = frozenset(wanted), list[Holds]()
    for item in store.list():
        files, _, _ = parse(read(store.record_path(item.digest, item.external)), item.digest)
        names = {name: one.digest for name, one in (files or {}).items() if one.digest in asked}
        if names:
            found.append(Holds(item.digest, sorted(names), len({*names.values()})))
    return sorted(found, key=lambda one: -one.n_wanted)
