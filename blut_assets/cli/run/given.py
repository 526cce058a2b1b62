"""Puts an artifact that a person names in the place of what an asset last made, for one run.

Nothing is materialized for the asset above: what it last made stays that. The result of the run says by its
inputs' digests what it was made of.
"""

import re
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import reuse
from blut_assets.stages.partitions import part
from blut_assets.stages.spec import StageSpec
from blut_assets.terminal.output import failed, wrong
from blut_resources.files.digest import digest_path
from blut_resources.instance.instance import store_of
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactStore, StoreError
from blut_resources.store.holding import holding

STDIN = "-"
Given = Mapping[str, Artifact]
"""By the name of an asset, or of a partition of it."""
OF_PARTITION = re.compile(r"(\w+)\[(.*?)\]=(.*)", re.DOTALL)


def given_inputs(instance: dg.DagsterInstance, spec: StageSpec, words: Sequence[str]) -> Given:
    """Returns the artifacts that ``NAME=PATH`` or ``NAME=-`` stand for; else ends the command.

    Of an input that takes several partitions each is given by itself, as ``NAME[KEY]=PATH``.
    """
    store, found = store_of(instance), dict[str, Artifact]()
    parsed = [_parsed(spec, word) for word in words]
    if [path for _, _, path in parsed].count(STDIN) > 1:
        wrong("--input: standard input can be one of the inputs only; give paths for the others")
    for word, (name, key, path) in zip(words, parsed, strict=True):
        asset = spec.inputs[name].to_user_string()
        called = asset if key is None else part(asset, key)
        if called in found:
            wrong(f"--input {word}: {name} is given twice")
        found[called] = _artifact(instance, store, spec, name, path)
    return found


def _parsed(spec: StageSpec, word: str) -> tuple[str, str | None, str]:
    """Returns the input, the partition of it if it takes several, and the path that a word names."""
    if (match := OF_PARTITION.fullmatch(word)) and match[1] in spec.several:
        name, key, path = match[1], match[2], match[3]
    else:
        name, _, path = word.partition("=")
        key = None
    if not name or not path:
        wrong(f"--input {word}: write NAME=PATH, or NAME=- for standard input")
    if name not in spec.inputs:
        names = ", ".join(spec.inputs) or "none: it takes no input"
        wrong(f"--input {word}: {spec.key.to_user_string()} has no input {name!r}; there are {names}")
    if key is None and name in spec.several:
        wrong(f"--input {word}: {name} takes several partitions: write {name}[KEY]=PATH for each of them")
    return name, key, path


def _artifact(
    instance: dg.DagsterInstance, store: ArtifactStore, spec: StageSpec, name: str, path: str
) -> Artifact:
    kind, key = spec.input_types[name], spec.inputs[name]
    try:
        if path == STDIN:
            place = store.staging() / "given"
            with place.open("xb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
            return _typed(instance, store, kind, key, place, f"--input {name}=-")
        if not Path(path).exists():
            wrong(f"--input {name}={path}: there is no such file or directory")
        return _typed(instance, store, kind, key, Path(path).resolve(), f"--input {name}={path}")
    except StoreError as error:
        failed(str(error))
    except OSError as error:
        failed(f"--input {name}={path}: cannot be read: {error.strerror or error}")


def _typed(
    instance: dg.DagsterInstance,
    store: ArtifactStore,
    kind: type[Artifact],
    key: dg.AssetKey,
    path: Path,
    said: str,
) -> Artifact:
    """Returns the artifact that these bytes are, with the facts that were measured when they were made."""
    digest = digest_path(path)
    same = {digest, *_only_file_is(store, digest)} if path.is_file() else {digest}
    for event in _events(instance, key):
        made = reuse.digest_of(event)
        if made in same:
            try:
                artifact = reuse.artifact_of(event, kind)
            except reuse.NoHandle:
                continue
            if not store.has(made):
                _keep(store, path)
            store.open(made)
            return artifact
    if kind.model_fields.keys() > {"digest"}:
        facts = ", ".join(kind.model_fields.keys() - {"digest"})
        wrong(
            f"{said}: no run of this history made these bytes (digest {digest[:12]}), so nobody knows the"
            f" facts of a {kind.kind}: {facts}. Give what {key.to_user_string()} made, or make it of what you"
            f" have (`blut stage run {key.to_user_string()}`, see its --config) and leave this --input away"
        )
    return kind(digest=_keep(store, path))


def _keep(store: ArtifactStore, path: Path) -> str:
    """Let the store know the bytes: those of a person stay where they are."""
    own = path.is_relative_to(store.root / "staging")
    return store.put(path) if own else store.put_reference(path)


def _only_file_is(store: ArtifactStore, digest: str) -> list[str]:
    """Returns the artifacts that are directories with this one file in it."""
    return [one.digest for one in holding(store, {digest}) if len(store.files(one.digest)) == 1]


def _events(instance: dg.DagsterInstance, key: dg.AssetKey) -> Iterator[dg.AssetMaterialization]:
    """Yields what the asset made, and then everything else that may be of its kind, the newest first."""
    for record in reuse.materializations(instance, key):
        if record.asset_materialization:
            yield record.asset_materialization
    for other in instance.get_asset_keys():
        for record in reuse.materializations(instance, other) if other != key else ():
            if record.asset_materialization:
                yield record.asset_materialization
    yield from (noted.event for noted in results.every(store_of(instance).root))
