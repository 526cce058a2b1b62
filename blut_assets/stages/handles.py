"""Hands one asset's artifact to the next: by its handle in the event log, of the same run first."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from blut_assets.artifacts import Artifact
from blut_assets.pages.metadata import KIND, URI
from blut_assets.retrying import note_failure
from blut_assets.stages.external import Handed, WrongKind, given_as
from blut_assets.stages.partitions import listed, part, split
from blut_assets.stages.reuse import NoHandle, handle_of, materializations, word_of
from blut_resources.instance.instance import EphemeralInstance, home_of, store_of
from blut_resources.store.artifacts import StoreError

LOOK_BACK = 1000
GIVEN_TAG = "blut/given"
"""Of a run: by the name of an asset, the artifact that stands for what it made last."""


def given_tags(given: Mapping[str, Artifact]) -> dict[str, str]:
    """Returns the tags of a run in which these artifacts stand for what their assets made last.

    Args:
        given: by the name of the asset, with a partition of it as `part` calls it.
    """
    handles = {name: one.model_dump(mode="json") for name, one in given.items()}
    return {GIVEN_TAG: json.dumps(handles)} if handles else {}


class ArtifactHandles(dg.ConfigurableIOManager):
    """Stores nothing: a stage asset has put its bytes into the store and its handle into the event log.

    Dagster would load "the latest", which under concurrent runs may be another run's. Here an input is
    what this run or its parent made, and only if they made none, the newest. What the run was given for it
    comes before all of these.
    """

    _instance: Any = PrivateAttr(default=None)
    _run_id: str = PrivateAttr(default="")
    _lineage: set[str] = PrivateAttr(default_factory=set)
    _given: dict[str, Any] = PrivateAttr(default_factory=dict)
    _made: dict[tuple[dg.AssetKey, str | None], Artifact] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run and its ancestors."""
        run, self._made = context.run, {}
        self._instance, self._lineage = context.instance, set()
        self._run_id = run.run_id if run else ""
        self._given = json.loads(run.tags.get(GIVEN_TAG, "{}")) if run else {}
        while run and run.run_id not in self._lineage:
            self._lineage.add(run.run_id)
            run = self._instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None

    def handle_output(self, context: dg.OutputContext, obj: Artifact) -> None:
        """Keep the handle for the assets of the same process.

        Raises:
            TypeError: if an asset returns anything but an artifact.
        """
        if not isinstance(obj, Artifact):
            raise TypeError(f"{context.asset_key.to_user_string()} returned {type(obj)}, not an Artifact")
        partition = context.asset_partition_key if context.has_asset_partitions else None
        self._made[context.asset_key, partition] = obj

    def load_input(self, context: dg.InputContext) -> Any:
        """Returns what the input is annotated as; of every partition that is taken, by its key, where it
        takes several.
        """
        try:
            return self._load(context)
        except (dg.Failure, StoreError) as error:
            note_failure(self._instance, self._run_id, hopeless=isinstance(error, dg.Failure))
            raise

    def _load(self, context: dg.InputContext) -> Any:
        hint, several = split(context.dagster_type.typing_type)
        if not several and (given := self._given.get(context.asset_key.to_user_string())):
            return self._give(context, hint, Handed(given, ""))
        keys = sorted(context.asset_partition_keys) if context.has_asset_partitions else [None]
        if several and not context.has_asset_partitions:
            name = context.asset_key.to_user_string()
            raise dg.Failure(
                f"{context.name} takes several partitions, and {name} has none: take one", allow_retries=False
            )
        if several or (hint is Any and len(keys) != 1):
            return self._each(context, keys, hint)
        if len(keys) != 1:
            raise _no_single(context, keys)
        if (found := self._find(context.asset_key, keys[0])) is None:
            raise _never_made(context.asset_key, keys, keys)
        return self._give(context, hint, found)

    def _each(self, context: dg.InputContext, keys: Sequence[str | None], hint: Any) -> dict[str, Any]:
        """Returns the handles by partition, in the order of the keys, which no definition can change."""
        if not keys and not context.has_partition_key:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} has no partitions yet: add some, and make them",
                allow_retries=False,
            )
        found = {key: self._find(context.asset_key, key) for key in keys}
        if missing := [key for key, one in found.items() if one is None]:
            raise _never_made(context.asset_key, missing, keys)
        return {str(key): self._give(context, hint, one) for key, one in found.items() if one is not None}

    def _give(self, context: dg.InputContext, hint: Any, found: Handed) -> Any:
        name = context.asset_key.to_user_string()
        declared = (context.upstream_output.definition_metadata if context.upstream_output else {}).get(KIND)
        try:
            return given_as(hint, found, lambda: store_of(self._instance), declared)
        except WrongKind as error:
            raise dg.Failure(f"{context.name}: {name} {error}", allow_retries=False) from None
        except NoHandle as error:
            raise _unusable(name, found.told, error) from None

    def _find(self, key: dg.AssetKey, partition: str | None) -> Handed | None:
        """Returns what this run made or was given, or what was made last; None if there is nothing."""
        made = self._made.get((key, partition))
        if made is not None:
            return Handed(made.model_dump(mode="json"), made.kind, "", "", made)
        if partition is not None and (given := self._given.get(part(key.to_user_string(), partition))):
            return Handed(given, "")
        _refuse_ephemeral(self._instance)
        newest: dg.EventLogRecord | None = None
        for index, record in enumerate(materializations(self._instance, key, partition, first=1)):
            newest = newest or record
            if record.run_id in self._lineage:
                return _found(record)
            if index >= LOOK_BACK:
                break
        return _found(newest) if newest else None


def _no_single(context: dg.InputContext, keys: Sequence[str | None]) -> dg.Failure:
    name, own = context.asset_key.to_user_string(), context.name
    takes = listed(map(str, keys)) or "none"
    return dg.Failure(
        f"{own} takes one artifact of {name}, and {len(keys)} partitions of it belong here ({takes}): declare"
        f" the parameter as dict[str, ...], or give partition_mappings={{{own!r}: ...}}; a check takes the"
        " partitions_def of its asset",
        allow_retries=False,
    )


def _never_made(key: dg.AssetKey, missing: Sequence[str | None], keys: Sequence[str | None]) -> dg.Failure:
    name, remedy = key.to_user_string(), "what is in the store already is reused"
    if missing == [None]:
        return dg.Failure(
            f"{name} was never materialized, or wiped: select it too, or run its recipe first; {remedy}",
            allow_retries=False,
        )
    return dg.Failure(
        f"{name} was never materialized, or wiped, for {listed(map(str, missing))} ({len(missing)} of"
        f" {len(keys)} partitions that are taken): run its recipe with --partition for each; {remedy}",
        allow_retries=False,
    )


HANDLES = ArtifactHandles()
"""One for all definitions of a process: Dagster merges two sets of them only if both have the same one."""


def _refuse_ephemeral(instance: dg.DagsterInstance) -> None:
    """Refuse an instance that forgets: nothing was ever materialized there, and that is what to mend."""
    try:
        home_of(instance)
    except EphemeralInstance as error:
        raise dg.Failure(str(error), allow_retries=False) from None


def _found(record: dg.EventLogRecord) -> Handed:
    event = record.asset_materialization
    assert event is not None, "asked for materializations only"
    made = f"run {record.run_id[:8]}" if record.run_id else "reported outside of any run"
    told = f"({made}, {time.strftime('%Y-%m-%d %H:%M', time.localtime(record.timestamp))})"
    try:
        return Handed(handle_of(event), word_of(event, KIND), word_of(event, URI), told)
    except NoHandle as error:
        raise _unusable(event.asset_key.to_user_string(), told, error) from None


def _unusable(name: str, told: str, error: NoHandle) -> dg.Failure:
    return dg.Failure(
        f"the newest materialization of {name} {told} cannot be used: {error}. Materialize {name} itself, or"
        " select it too: where nothing changed its stored result is reused at once",
        allow_retries=False,
    )
