"""Finds the artifacts that a person means: by a path, the beginning of a digest, or a registered name."""

import os
from pathlib import Path
from typing import NamedTuple

from blut_assets.history.lineage import Lineage
from blut_resources.files.digest import digest_files, digest_listing, list_tree
from blut_resources.registry.log import RegistryError, parted, version_of
from blut_resources.registry.models import ModelRegistry
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.holding import holding
from blut_resources.store.manifest import load_index
from blut_resources.text import meant

_HEX = frozenset("0123456789abcdef")
SHORT = 12


class Unknown(LookupError):
    """Says that nothing is known of what was asked for, and what was looked at."""


class Ambiguous(LookupError):
    """Says that more than one artifact may be meant, and names them."""


class Identified(NamedTuple):
    """Names an artifact that may be meant; ``how`` says in words what of it was given."""

    digest: str
    how: str


def identify(asked: str, lineage: Lineage, store: ArtifactStore) -> list[Identified]:
    """Returns the artifacts that ``asked`` stands for: one, unless a file is part of several.

    A path that exists comes before a name, and a name before a digest.

    Raises:
        Unknown: nothing is known of it.
        Ambiguous: more than one digest begins so.
        RegistryError: the registry has no such name.
        StoreError: the file or directory cannot be read.
    """
    if os.path.lexists(asked):
        return _of_path(Path(asked), lineage, store)
    registry = ModelRegistry(store.root / "registry")
    if "@" in asked and "/" not in asked:
        return [Identified(_registered(registry, asked), asked)]
    if asked in registry.names():
        raise RegistryError(
            f"{asked} is a model: name a version or an alias, such as {asked}@1; see `blut"
            f" model show {asked}`"
        )
    digest = asked.lower()
    if not digest or not _HEX.issuperset(digest) or len(digest) > 64:
        near = meant(asked, [*registry.names(), *_beside(asked)])
        raise Unknown(
            f"{asked}: there is no such file, and it is neither a digest nor NAME@ALIAS{near}; `blut cache"
            " show --all` lists what there is"
        )
    return [Identified(_of_prefix(digest, lineage, store), "its digest")]


def _beside(asked: str) -> list[str]:
    """Returns the paths that lie where one that is not there would."""
    place = Path(asked).parent
    try:
        return [str(place / one.name) for one in place.iterdir()]
    except OSError:
        return []


def _registered(registry: ModelRegistry, model: str) -> str:
    """Returns what a version or an alias stands for, also where nobody may use it: to look is always free."""
    if version_of(model) is not None:
        return registry.registration(model, retired=True).candidate
    name, alias = parted(model)
    entry = registry.aliases(name).get(alias)
    return entry.candidate if entry else registry.resolve(model)


def _of_prefix(prefix: str, lineage: Lineage, store: ArtifactStore) -> str:
    known = lineage.known() | {item.digest for item in store.list()}
    found = sorted(digest for digest in known if digest.startswith(prefix))
    if len(found) > 1:
        few = ", ".join(digest[: max(SHORT, len(prefix) + 4)] for digest in found[:5])
        raise Ambiguous(
            f"{len(found)} artifacts have a digest that begins with {prefix} ({few}); give more of it"
        )
    if not found:
        raise Unknown(
            f"nothing is known of an artifact whose digest begins with {prefix}: neither the history"
            f" nor the store {store.root} has it"
        )
    return found[0]


def _of_path(path: Path, lineage: Lineage, store: ArtifactStore) -> list[Identified]:
    tree = list_tree(path.resolve(), "any")
    files = digest_files(tree.root, tree.names, load_index(store.reference_index(tree.root)))
    digest = digest_listing(tree.is_file, files)
    if digest in lineage.known() or store.has(digest):
        return [Identified(digest, "its bytes")]
    held = holding(store, {one.digest for one in files.values() if one.size})
    if not held:
        raise Unknown(
            f"nothing is known of {path} (digest {digest[:SHORT]}): no run of this history made it, and no"
            f" artifact in the store {store.root} has a file with these bytes; a file that was changed"
            " since, by one byte, is another one"
        )
    most = held[0].n_wanted
    return [
        Identified(one.digest, _how(tree.is_file, one.names, most, len(files)))
        for one in held
        if one.n_wanted == most
    ]


def _how(is_file: bool, names: list[str], n_found: int, n_files: int) -> str:
    if is_file:
        return f"its {', '.join(names)}" if names != [""] else "its bytes"
    return f"{n_found} of the {n_files} files"
