"""Find an earlier result with the same fingerprint: in the event log, or among those noted in the store."""

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import dagster as dg
from pydantic import ValidationError

from blut_assets.artifacts import Artifact
from blut_assets.pages.small_curve import CURVE_OF
from blut_assets.stages.spec import StageSpec
from blut_resources.instance.instance import home_of
from blut_resources.machine.memory import size_text
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactMissing, ArtifactStore, StoreError
from blut_resources.store.places import is_digest
from blut_resources.store.results import FINGERPRINT_TAG, SPEC
from blut_resources.store.second import SecondTier
from blut_resources.text import said_of

ARTIFACT, REUSED, ORIGIN, SECONDS = "artifact", "reused", "origin_run", "compute_seconds"
PEAK = "peak_memory_bytes"
QUEUED, LAUNCHED = "queue_seconds", ("launcher", "job_id", "node")
"""Metadata of what was computed by a job of a cluster: how long that waited, and which job it was, where."""
LOOKED_UP = "looked_up"
"""Where the metadata ``blut/spec`` says which of the inputs no asset has made."""
SUMMARY = "summary"
"""Metadata of a result that is worth more than one line at the end of a run."""

MADE_BY = "made_by"
"""Metadata of a result of another history: whose, where, and when it was computed."""
SHOWN_BY = "shown_by"
"""The run whose materialization has the pictures, tables and texts that a reused one does not repeat."""
REPEATED = frozenset({ARTIFACT, SPEC, SECONDS, PEAK, SUMMARY, MADE_BY})

PAGE = LOOKED_AT = 200

Became = dg.AssetMaterialization | dg.AssetObservation
"""What says of an asset what a run made of it."""
A = TypeVar("A", bound=Artifact)


def materializations(
    instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None, first: int = PAGE
) -> Iterator[dg.EventLogRecord]:
    """Yields every materialization of an asset, newest first; ``first`` is the size of the first page."""
    selected = dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition] if partition else None)
    cursor, limit = None, first
    while True:
        page = instance.fetch_materializations(selected, limit=limit, cursor=cursor)
        yield from page.records
        if not page.has_more:
            return
        cursor, limit = page.cursor, PAGE


def fingerprint_of(event: Became | None) -> str | None:
    """Returns the fingerprint that a materialization carries, if any."""
    return (event.tags or {}).get(FINGERPRINT_TAG) if event else None


class NoHandle(ValueError):
    """Says that a materialization names no artifact of the wanted type, and what it has instead."""


def artifact_of(event: Became, kind: type[A]) -> A:
    """Returns the typed handle that a materialization carries.

    Raises:
        NoHandle: if it was not made by a stage asset, or by one that leaves something else.
    """
    return typed(kind, handle_of(event))


def handle_of(event: Became) -> Mapping[str, Any]:
    """Returns the handle that a materialization carries, as JSON values.

    Raises:
        NoHandle: if it was not made by a stage asset.
    """
    if not digest_of(event):
        raise NoHandle("it names no artifact of Blut, as one that was reported by hand or by another program")
    return _value(event, ARTIFACT)


def typed(kind: type[A], handle: Mapping[str, Any]) -> A:
    """Returns a handle as an artifact of a class.

    Raises:
        NoHandle: if it has not the fields of that class.
    """
    try:
        return kind.model_validate(handle)
    except ValidationError as error:
        fields = ", ".join(f"{'.'.join(map(str, p['loc']))}: {said_of(p)}" for p in error.errors())
        raise NoHandle(
            f"the artifact that it names is no {kind.__name__} as it is declared now ({fields})"
        ) from None


def is_reused(event: Became) -> bool:
    """Says whether it is of a result that was there already."""
    entry = event.metadata.get(REUSED)
    return bool(entry and entry.value)


def word_of(event: Became, name: str) -> str:
    """Returns a text among the metadata; empty where there is none."""
    value: Any = getattr(event.metadata.get(name), "value", None)
    return value if isinstance(value, str) else ""


def number_of(event: Became, name: str) -> float | None:
    """Returns a number among the metadata; None where there is none."""
    value: Any = getattr(event.metadata.get(name), "value", None)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def digest_of(event: Became) -> str:
    """Returns the digest of the bytes that a stage asset's materialization stands for;
    empty for any other.
    """
    digest = _value(event, ARTIFACT).get("digest")
    return digest if isinstance(digest, str) and is_digest(digest) else ""


def spec_of_event(event: Became) -> Mapping[str, Any]:
    """Returns code, inputs and config that a materialization was computed from;
    empty where it does not say.
    """
    return _value(event, SPEC)


def inputs_of(event: Became) -> dict[str, str]:
    """Returns the digests that a materialization was computed from, by parameter name."""
    return dict(spec_of_event(event).get("inputs", {}))


def _value(event: Became, name: str) -> Mapping[str, Any]:
    """Returns a JSON object among the metadata;
    what anybody may have reported under that name counts as none.
    """
    value: Any = getattr(event.metadata.get(name), "value", None)
    return value if isinstance(value, Mapping) else {}


@dataclass(frozen=True)
class Hit:
    """Describes a reusable result: the event that recorded it and the run that computed it.

    ``elsewhere`` says whose history that run is in, where it is not in this one, and when it was.
    ``to_pull`` are the bytes that are not here yet, but in the remote.
    """

    event: dg.AssetMaterialization
    run_id: str
    elsewhere: str = ""
    to_pull: int | None = None

    def words(self) -> str:
        """Returns which run has computed it, whose that is where it is not here, and what is to be pulled."""
        pulled = "" if self.to_pull is None else f", to be pulled ({size_text(self.to_pull)})"
        return f"run {self.origin[:8]}{f' of {self.elsewhere}' if self.elsewhere else ''}{pulled}"

    @property
    def origin(self) -> str:
        """Returns the run that computed it first."""
        entry: Any = self.event.metadata.get(ORIGIN)
        return entry.value if entry else self.run_id


def find_reusable(
    instance: dg.DagsterInstance,
    store: ArtifactStore,
    key: dg.AssetKey,
    fingerprint: str,
    partition: str | None = None,
    *,
    kind: type[Artifact],
    keep_damaged: bool = False,
    known: dg.EventLogRecord | None = None,
) -> tuple[Hit | None, list[str]]:
    """Returns the newest result with this fingerprint whose bytes are there,
    and what was wrong with others.

    The event log is asked first. What it does not know, because its runs were deleted or another instance
    made it, is looked for in the notes of the store, and then in those of the remote. Bytes that are in the
    remote only are pulled. Bytes that fail verification are moved aside, so that the recomputed result can
    take their place.

    Args:
        keep_damaged: change nothing: neither move nor pull any bytes.
        known: a materialization that the event log has, to be tried before it is asked.
    """
    damage: list[str] = []
    tried: set[str] = set()
    wanted = (instance, store, key, fingerprint, partition)
    for digest, hit in itertools.chain(_made_by(fingerprint, [known] if known else []), _candidates(*wanted)):
        if not digest or digest in tried:
            continue
        tried.add(digest)
        try:
            artifact_of(hit.event, kind)
        except NoHandle as error:
            damage.append(f"{digest[:12]} is not reused: {error}.")
            continue
        try:
            if keep_damaged and store.beyond and not store.has(digest):
                return replace(hit, to_pull=_size_beyond(store, store.beyond, digest)), damage
            store.open(digest)  # also notes the use, which garbage collection respects
        except StoreError as error:
            damage.append(str(error))
            if not keep_damaged:
                store.quarantine(digest)
            continue
        if store.beyond and not keep_damaged:
            store.beyond.keep(fingerprint, digest)
        return hit, damage
    return None, damage


def _size_beyond(store: ArtifactStore, beyond: SecondTier, digest: str) -> int:
    size = beyond.size(digest)
    if size is None:
        raise ArtifactMissing(f"{digest}: neither in the store {store.root} nor in the remote")
    return size


def find_earlier(
    instance: dg.DagsterInstance,
    store: ArtifactStore,
    spec: StageSpec,
    description: Mapping[str, Any],
    partition: str | None = None,
) -> Artifact | None:
    """Returns the newest artifact of an asset that differs from one described in nothing but its inputs.

    One whose bytes are gone or damaged is passed over, and so is what lies further back than `LOOKED_AT`.
    """
    alike = {name: part for name, part in description.items() if name != "inputs"}
    for record in itertools.islice(materializations(instance, spec.key, partition), LOOKED_AT):
        event = record.asset_materialization
        made_of = spec_of_event(event) if event else {}
        if event and all(made_of.get(name) == part for name, part in alike.items()):
            with contextlib.suppress(StoreError, NoHandle):
                artifact = artifact_of(event, spec.output)
                store.open(artifact.digest)
                return artifact
    return None


def recalled(
    instance: dg.DagsterInstance, store: ArtifactStore, hit: Hit, facts: Iterable[str], there: set[str]
) -> dict[str, Any]:
    """Returns the metadata that a reused result repeats: its facts, the small ones of its curves, and which
    run shows the rest.

    All of it is repeated where the history has lost that run, or never had it.

    Args:
        there: runs that the history has; what is found is added.
    """
    known: Any = hit.event.metadata.get(SHOWN_BY)
    run_id = known.value if known else hit.run_id
    if run_id not in there and instance.get_runs_count(dg.RunsFilter(run_ids=[run_id])):
        there.add(run_id)
    if run_id in there:
        repeated = REPEATED.union(facts)
        told = hit.event.metadata.items()
        kept = {name: entry for name, entry in told if name in repeated or name.startswith(CURVE_OF)}
        return {**kept, SHOWN_BY: dg.MetadataValue.dagster_run(run_id)}
    digest = digest_of(hit.event)
    noted = results.find(store.root, fingerprint_of(hit.event) or "")
    whole = next((one.event for one in noted if one.digest == digest), hit.event)
    return {name: entry for name, entry in whole.metadata.items() if name != SHOWN_BY}


def _made_by(fingerprint: str, records: Iterable[dg.EventLogRecord]) -> Iterator[tuple[str, Hit]]:
    for record in records:
        event = record.asset_materialization
        if event is not None and fingerprint_of(event) == fingerprint:
            yield digest_of(event), Hit(event, record.run_id, word_of(event, MADE_BY))


def _candidates(
    instance: dg.DagsterInstance,
    store: ArtifactStore,
    key: dg.AssetKey,
    fingerprint: str,
    partition: str | None,
) -> Iterator[tuple[str, Hit]]:
    yield from _made_by(fingerprint, materializations(instance, key, partition, first=1))
    for noted in results.find(store.root, fingerprint):
        if noted.event.asset_key == key and digest_of(noted.event) == noted.digest:
            yield noted.digest, Hit(noted.event, noted.run_id, _elsewhere(instance, noted))
    for noted in store.beyond.notes(fingerprint) if store.beyond else ():
        if noted.event.asset_key == key and digest_of(noted.event) == noted.digest:
            yield noted.digest, Hit(noted.event, noted.run_id, _elsewhere(instance, noted))


def _elsewhere(instance: dg.DagsterInstance, noted: results.Result) -> str:
    """Returns in whose history a result was computed, and when; empty if in this one."""
    if noted.made.home in ("", str(home_of(instance))) or instance.has_run(noted.run_id):
        return ""
    return f"{noted.made.words()}, {time.strftime('%F %H:%M', time.localtime(noted.at))}"
