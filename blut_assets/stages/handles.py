"""Hands one asset's artifact to the next: by its handle in the event log, of the same run first."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import dagster as dg
from pydantic import PrivateAttr

from blut_assets.artifacts import Artifact
from blut_assets.retrying import note_failure
from blut_assets.stages.partitions import element_of, listed, part
from blut_assets.stages.reuse import NoHandle, artifact_of, materializations
from blut_resources.instance.instance import EphemeralInstance, home_of

LOOK_BACK = 1000
HANDLES_KEY = "blut_handles"
"""The resource key of `HANDLES`."""
GIVEN_TAG = "blut/given"
"""Of a run: by the name of an asset, the artifact that stands for what it made last."""
A = TypeVar("A", bound=Artifact)


def given_tags(given: Mapping[dg.AssetKey, Artifact]) -> dict[str, str]:
    """Returns the tags of a run in which these artifacts stand for what their assets made last."""
    handles = {key.to_user_string(): one.model_dump(mode="json") for key, one in given.items()}
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

    def load_input(self, context: dg.InputContext) -> Artifact | dict[str, Artifact]:
        """Returns the handle of the input; of every partition that is taken, by its key, where it takes
        several.
        """
        kind, several = element_of(context.dagster_type.typing_type)
        assert kind is not None, "the wiring check has seen to it"
        if not several and (given := self._given.get(context.asset_key.to_user_string())):
            return kind.model_validate(given)
        try:
            keys = sorted(context.asset_partition_keys) if context.has_asset_partitions else [None]
            if several:
                return self._each(context, keys, kind)
            if len(keys) != 1:
                raise _no_single(context, keys)
            if (found := self._handle(context.asset_key, keys[0], kind)) is None:
                raise _never_made(context.asset_key, keys, keys)
            return found
        except dg.Failure:
            note_failure(self._instance, self._run_id, hopeless=True)
            raise

    def _each(
        self, context: dg.InputContext, keys: Sequence[str | None], kind: type[Artifact]
    ) -> dict[str, Artifact]:
        """Returns the handles by partition, in the order of the keys, which no definition can change."""
        if not keys and not context.has_partition_key:
            raise dg.Failure(
                f"{context.asset_key.to_user_string()} has no partitions yet: add some, and make them",
                allow_retries=False,
            )
        found = {key: self._handle(context.asset_key, key, kind) for key in keys}
        if missing := [key for key, one in found.items() if one is None]:
            raise _never_made(context.asset_key, missing, keys)
        return {str(key): one for key, one in found.items() if one is not None}

    def _handle(self, key: dg.AssetKey, partition: str | None, kind: type[A]) -> A | Artifact | None:
        made = self._made.get((key, partition))
        if made is not None:
            return made
        if partition is not None and (given := self._given.get(part(key.to_user_string(), partition))):
            return kind.model_validate(given)
        return self._look_up(key, partition, kind)

    def _look_up(self, key: dg.AssetKey, partition: str | None, kind: type[A]) -> A | None:
        _refuse_ephemeral(self._instance)
        newest: dg.EventLogRecord | None = None
        for index, record in enumerate(materializations(self._instance, key, partition, first=1)):
            newest = newest or record
            if record.run_id in self._lineage:
                return _artifact(record, kind)
            if index >= LOOK_BACK:
                break
        return _artifact(newest, kind) if newest else None


def _no_single(context: dg.InputContext, keys: Sequence[str | None]) -> dg.Failure:
    name, own = context.asset_key.to_user_string(), context.name
    takes = listed(map(str, keys)) or "none"
    return dg.Failure(
        f"{own} takes one artifact of {name}, and {len(keys)} partitions of it belong here ({takes}): declare"
        f" the parameter as dict[str, ...], or give partition_mappings={{{own!r}: ...}}",
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


def _artifact(record: dg.EventLogRecord, kind: type[A]) -> A:
    event = record.asset_materialization
    assert event is not None, "asked for materializations only"
    try:
        return artifact_of(event, kind)
    except NoHandle as error:
        name = event.asset_key.to_user_string()
        made = f"run {record.run_id[:8]}" if record.run_id else "reported outside of any run"
        when = time.strftime("%Y-%m-%d %H:%M", time.localtime(record.timestamp))
        raise dg.Failure(
            f"the newest materialization of {name} ({made}, {when}) cannot be used: {error}. Materialize"
            f" {name} itself, or select it too: where nothing changed its stored result is reused at once",
            allow_retries=False,
        ) from None
