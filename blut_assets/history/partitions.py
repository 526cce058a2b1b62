"""Says of each partition of a recipe what was made last of what the recipe is for."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from blut_assets.recipes import Recipe
from blut_assets.stages import reuse
from blut_assets.stages.partitions import dimensions_of
from blut_assets.stages.spec import StageSpec, in_order, specs_of

PARTITION_TAG = "dagster/partition"
"""Of a run: the key of its partition; of several dimensions there is a tag for each."""


@dataclass(frozen=True)
class MadeOfPartition:
    """Describes the newest result of one partition; ``run`` and ``digest`` are empty where there is none."""

    partition: str
    made: float | None = None
    run: str = ""
    digest: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)


def made_by_partition(instance: dg.DagsterInstance, recipe: Recipe) -> list[MadeOfPartition]:
    """Returns the newest result of each partition of a recipe, in the order of the partitions."""
    specs = [spec for spec in in_order(specs_of(recipe.assets)) if spec.partitions is not None]
    if not specs or specs[-1].partitions is None:
        return []
    told = next((spec for spec in specs if spec.output is recipe.output), specs[-1])
    keys = specs[-1].partitions.get_partition_keys(dynamic_partitions_store=instance)
    return [_made(instance, told, key) for key in keys]


def _made(instance: dg.DagsterInstance, spec: StageSpec, key: str) -> MadeOfPartition:
    record = next(reuse.materializations(instance, spec.key, key, first=1), None)
    event = record.asset_materialization if record else None
    if record is None or event is None:
        return MadeOfPartition(key)
    return MadeOfPartition(key, record.timestamp, record.run_id, reuse.digest_of(event))


def partition_of_run(tags: Mapping[str, str]) -> str | None:
    """Returns which partition a run with these tags is for; None if it is for none."""
    begin = f"{PARTITION_TAG}/"
    dimensions = {name.removeprefix(begin): key for name, key in tags.items() if name.startswith(begin)}
    return dg.MultiPartitionKey(dimensions) if dimensions else tags.get(PARTITION_TAG)


def tags_of_partition(key: str) -> dict[str, str]:
    """Returns the tags that the runs of a partition have."""
    dimensions = dimensions_of(key)
    return {f"{PARTITION_TAG}/{name}": one for name, one in dimensions.items()} or {PARTITION_TAG: key}
