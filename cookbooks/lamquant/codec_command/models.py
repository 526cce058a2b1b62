"""Finds the checkpoint that a name, a digest or a directory means, or that a .lqc file names."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
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
REFINES, REFINING = "refine.json", "blut.refining_decoder."
"""The file that describes a refining decoder, and how its schema begins."""


class NoModel(Exception):
    """Says which checkpoint is not there, and how to name one."""


def checkpoint_of(said: str) -> Path:
    """Returns the directory of a checkpoint.

    Args:
        said: ``NAME@ALIAS``, ``NAME@VERSION``, a digest or enough of its beginning, or a directory.

    Raises:
        NoModel: there is none of that name, or it is something else than a checkpoint.
    """
    return _Wanted("--model", said, DESCRIPTION, SCHEMA, "a checkpoint of a codec").found()


def decoder_of(said: str) -> Path:
    """Returns the directory of a refining decoder, named as a checkpoint is.

    Raises:
        NoModel: there is none of that name, or it is something else than a refining decoder.
    """
    return _Wanted("--decoder", said, REFINES, REFINING, "a refining decoder").found()


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
    return ArtifactStore(store_root(find_home()), remembers=False)


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


@dataclass(frozen=True)
class _Wanted:
    """Says what an option named, and how what it means is told from something else."""

    option: str
    said: str
    description: str
    schema: str
    what: str

    def found(self) -> Path:
        """Returns the directory, out of the store or where it lies."""
        store, said = _store(), self.said
        if "@" in said and not Path(said).exists():
            try:
                return self._checked(store.open(_registry(store).resolve(said)))
            except RegistryError as error:
                raise NoModel(
                    f"{self.option} {said}: {error}; looked in the home {find_home()} (store {store.root}):"
                    " set DAGSTER_HOME to another one, run in the checkout that has it, or give a directory"
                ) from error
            except (PromotionRefused, VersionRetired, RetirementRefused, StoreError) as error:
                raise NoModel(f"{self.option} {said}: {error}") from error
        if _DIGEST.fullmatch(said) and not Path(said).exists():
            return self._by_digest(store)
        return self._checked(Path(said))

    def _by_digest(self, store: ArtifactStore) -> Path:
        found = [one.digest for one in store.list() if one.digest.startswith(self.said)]
        if len(found) != 1:
            problem = f"{len(found)} artifacts begin so" if found else f"the store {store.root} has none such"
            raise NoModel(f"{self.option} {self.said}: {problem}; `blut model list` names what is registered")
        try:
            return self._checked(store.open(found[0]))
        except StoreError as error:
            raise NoModel(f"{self.option} {self.said}: {error}") from error

    def _checked(self, place: Path) -> Path:
        if str(_description(place, self.description).get("schema", "")).startswith(self.schema):
            return place
        raise NoModel(
            f"{self.option} {self.said}: is not {self.what}: give NAME@ALIAS of `blut model list`, a digest,"
            f" or a directory with {self.description}"
        )


def _description(place: Path, name: str = DESCRIPTION) -> dict[str, object]:
    try:
        found = json.loads((place / name).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
