"""Finds out what a recipe would learn from, and how much of it is new.

Sources are observed as a run would: files whose stamp stands cost a stat, others are read once. That can
take long when much was added, so the daemon asks a `Lookout`, which goes on looking between two ticks.
"""

import functools
import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg

from blut_assets.history.planning import observe
from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages.spec import COMMON, spec_of
from blut_resources.files.digest import Hashed, digest_bytes
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.manifest import parse, read
from sensors.policy.decide import Data

LINES = {".jsonl", ".ndjson", ".csv", ".tsv", ".txt"}
"""Files in which a line is a row."""
CHUNK = 1 << 20

Facts = Mapping[str, Any]


class Count(NamedTuple):
    """Says what is new in one source."""

    recordings: int = 0
    rows: int = 0
    bytes: int = 0


def source_keys(recipe: Recipe) -> set[dg.AssetKey]:
    """Returns the sources of a recipe."""
    specs = [spec_of(asset) for asset in recipe.assets]
    return {spec.key for spec in specs if spec and spec.source}


def look(
    store: ArtifactStore,
    recipe: Recipe,
    args: RecipeArgs,
    before: Mapping[dg.AssetKey, Facts],
    *,
    rows: bool = False,
    annotated: bool = False,
    partition: str | None = None,
) -> Data:
    """Observe the sources of a recipe and compare them with what they were ``before``.

    Args:
        rows: whether lines are to be counted, for which new data is read.
        annotated: whether recordings with new annotations are to be counted; the recipe must say how.
        partition: of a recipe with partitions.
    """
    configs, digests, codes, counts = recipe.configs(args, partition), {}, {}, []
    seen: dict[dg.AssetKey, Facts] = {}
    for asset in recipe.assets:
        spec = spec_of(asset)
        if spec is None:  # a plain asset runs on every run and reads nothing that is known
            continue
        name = spec.key.to_user_string()
        codes[name] = spec.code.value
        if not spec.source:
            continue
        try:
            artifact = observe(store, spec, configs[spec.key], partition)
            facts = seen[spec.key] = artifact.model_dump(mode="json")
            if "n_bytes" in facts:  # data, and not a model to start from or floors to judge by
                counts.append(_new(store, facts, before.get(spec.key, {}), rows))
        except Exception as error:  # whatever is wrong with it: not now, and the reason is shown
            return Data(problem=f"{name}: {error}")
        digests[name] = artifact.digest
    told = 0
    if annotated and recipe.annotated:
        try:
            told = recipe.annotated(store, configs, seen, before)
        except Exception as error:
            return Data(problem=f"annotations: {error}")
    how = args.model_dump(mode="json", exclude=set(COMMON))
    what = [recipe.name, how, digests, codes, *([partition] if partition is not None else [])]
    subject = digest_bytes(json.dumps(what, sort_keys=True).encode())
    return Data(subject, annotated=told, **_sum(counts)._asdict())


def _sum(counts: Iterable[Count]) -> Count:
    return Count(*(sum(column) for column in zip(Count(), *counts, strict=True)))


def _new(store: ArtifactStore, now: Facts, before: Facts, rows: bool) -> Count:
    there, place = _files(store, now["digest"])
    then, _ = _files(store, before["digest"]) if before else ({}, None)
    if there is None or then is None or place is None:
        grown = [_fact(now, name) - _fact(before, name) for name in ("n_files", "n_conversations", "n_bytes")]
        return Count(*(max(0, number) for number in grown))
    known = {hashed.digest for hashed in then.values()}
    found: list[Count] = []
    for name, hashed in there.items():
        if hashed.digest not in known:
            start = _appended_from(hashed, then.get(name))
            lines = _lines(place / name if name else place, start, hashed.digest) if rows else 0
            found.append(Count(1, lines, hashed.size - start))
    return _sum(found)


def _fact(facts: Facts, name: str) -> int:
    return facts.get(name) or 0


def _files(store: ArtifactStore, digest: str) -> tuple[dict[str, Hashed] | None, Path | None]:
    """Returns the files of data that stay where the user keeps them, and the place;
    None if there is no record.
    """
    files, _, place = parse(read(store.record_path(digest, external=True)), digest)
    return files, Path(place) if place else None


def _appended_from(now: Hashed, before: Hashed | None) -> int:
    """Returns where the new part of a file begins: one that grew is taken to have been appended to."""
    return before.size if before and before.size < now.size else 0


@functools.lru_cache(maxsize=10_000)
def _lines(path: Path, start: int, digest: str) -> int:
    """Count lines from a byte on;
    ``digest`` is that of the file, so that it is read once for each content.
    """
    if path.suffix.lower() not in LINES:
        return 0
    count, last = 0, b"\n"
    with path.open("rb") as file:
        file.seek(start)
        while chunk := file.read(CHUNK):
            count += chunk.count(b"\n")
            last = chunk[-1:]
    return count + (last != b"\n")


class Lookout:
    """Looks in threads of its own: an answer that takes long is there at a later tick."""

    def __init__(self) -> None:
        self._going: dict[str, tuple[threading.Thread, list[Data]]] = {}

    def ask(self, key: str, look: Callable[[], Data], patience_s: float) -> Data | None:
        """Returns what ``look`` gives, or None if that takes longer;
        the same key then asks for the same answer.
        """
        if key not in self._going:
            answer: list[Data] = []
            # a daemon thread: the code server must not wait for it when it is told to end
            thread = threading.Thread(target=lambda: answer.append(look()), daemon=True)
            thread.start()
            self._going[key] = thread, answer
        thread, answer = self._going[key]
        thread.join(patience_s)
        if thread.is_alive():
            return None
        del self._going[key]
        return answer[0] if answer else Data(problem="the look at it ended without an answer; see the log")
