"""Finds the checkpoint that a name, a digest or a directory means, or that a .lqc file names."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from blut_resources.files.durable import StoreError
from blut_resources.instance.home import find_home, store_root
from blut_resources.registry.models import ModelRegistry, RegistryError
from blut_resources.registry.retirement import RetirementRefused, VersionRetired
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import ArtifactStore

DESCRIPTION = "model.json"
_DIGEST = re.compile(r"[0-9a-f]{8,64}")
SCHEMA = "blut.joint_codec."
"""Begins the schema of every version of a checkpoint."""


class NoModel(Exception):
    """Says which checkpoint is not there, and how to name one."""


def checkpoint_of(said: str) -> Path:
    """Returns the directory of a checkpoint.

    Args:
        said: ``NAME@ALIAS``, ``NAME@VERSION``, a digest or enough of its beginning, or a directory.

    Raises:
        NoModel: there is none of that name, or it is something else than a checkpoint.
    """
    store = _store()
    if "@" in said and not Path(said).exists():
        try:
            return _checked(said, store.open(_registry(store).resolve(said)))
        except RegistryError as error:
            raise NoModel(
                f"--model {said}: {error}; looked in the home {find_home()} (store {store.root}): set"
                " DAGSTER_HOME to another one, run in the checkout that has it, or give a directory"
            ) from error
        except (PromotionRefused, VersionRetired, RetirementRefused, StoreError) as error:
            raise NoModel(f"--model {said}: {error}") from error
    if _DIGEST.fullmatch(said) and not Path(said).exists():
        return _by_digest(said, store)
    return _checked(said, Path(said))


def checkpoint_for(digest: bytes) -> Path:
    """Returns the checkpoint whose weights a file names, out of the store: promoted ones first.

    Args:
        digest: the first bytes of the SHA-256 of the weights.

    Raises:
        NoModel: it is not there.
    """
    store = _store()
    for location in _checkpoints(store):
        if str(_description(location).get("weights_sha256", "")).startswith(digest.hex()):
            return location
    raise NoModel(
        f"it was coded with the checkpoint whose weights have the SHA-256 {digest.hex()}..., and the store"
        f" {store.root} has none such: give its directory with --model, or fetch it from where it was trained"
    )


def _store() -> ArtifactStore:
    return ArtifactStore(store_root(find_home()))


def _registry(store: ArtifactStore) -> ModelRegistry:
    return ModelRegistry(store.root / "registry")


def _checkpoints(store: ArtifactStore) -> Iterator[Path]:
    """Yields the checkpoints of a store, each once, the registered ones first."""
    registry = _registry(store)
    registered = [
        record.candidate for name in registry.names() for record in reversed(registry.registrations(name))
    ]
    there = {one.digest: one.location for one in store.list()}
    for digest in dict.fromkeys([*registered, *there]):
        location = there.get(digest)
        if location and str(_description(location).get("schema", "")).startswith(SCHEMA):
            yield location


def _by_digest(said: str, store: ArtifactStore) -> Path:
    found = [one.digest for one in store.list() if one.digest.startswith(said)]
    if len(found) != 1:
        problem = f"{len(found)} artifacts begin so" if found else f"the store {store.root} has none such"
        raise NoModel(f"--model {said}: {problem}; `blut model list` names what is registered")
    try:
        return _checked(said, store.open(found[0]))
    except StoreError as error:
        raise NoModel(f"--model {said}: {error}") from error


def _checked(said: str, place: Path) -> Path:
    if str(_description(place).get("schema", "")).startswith(SCHEMA):
        return place
    raise NoModel(
        f"--model {said}: is not a checkpoint of a codec: give NAME@ALIAS of `blut model list`, a digest,"
        f" or a directory with {DESCRIPTION}"
    )


def _description(place: Path) -> dict[str, object]:
    try:
        found = json.loads((place / DESCRIPTION).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
