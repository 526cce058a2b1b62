"""How one asset's artifact reaches the next: by its handle in the event log, of the same run first."""

from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from blut_assets.artifacts import Artifact
from blut_assets.reuse import artifact_of, materializations

LOOK_BACK = 1000


class ArtifactHandles(dg.ConfigurableIOManager):
    """Stores nothing: a stage asset has put its bytes into the store and its handle into the event log.

    Dagster would load "the latest", which under concurrent runs may be another run's. Here an input is
    what this run or its parent made, and only if they made none, the newest.
    """

    _instance: Any = PrivateAttr(default=None)
    _lineage: set[str] = PrivateAttr(default_factory=set)
    _made: dict[tuple[dg.AssetKey, str | None], Artifact] = PrivateAttr(default_factory=dict)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Remember the run and its ancestors."""
        run, self._made = context.run, {}
        self._instance, self._lineage = context.instance, set()
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
        partition = context.partition_key if context.has_partition_key else None
        self._made[context.asset_key, partition] = obj

    def load_input(self, context: dg.InputContext) -> Artifact:
        """The handle of the input, of the same partition where there are partitions."""
        kind: Any = context.dagster_type.typing_type
        key = context.asset_key
        partition = context.asset_partition_key if context.has_asset_partitions else None
        made = self._made.get((key, partition))
        if made is not None:
            return made
        newest: dg.AssetMaterialization | None = None
        for index, record in enumerate(materializations(self._instance, key, partition, first=1)):
            newest = newest or record.asset_materialization
            if record.run_id in self._lineage and record.asset_materialization:
                return artifact_of(record.asset_materialization, kind)
            if index >= LOOK_BACK:
                break
        if newest is None:
            raise dg.Failure(
                f"{key.to_user_string()} was never materialized: select it too, or run its recipe first",
                allow_retries=False,
            )
        return artifact_of(newest, kind)
