"""Asks Dagster which partitions of an asset another one takes, outside of any step.

A step is told that by public API. A plan is not: only ``PartitionMapping`` knows, of which the constructors
alone are public. After an upgrade look at ``get_upstream_mapped_partitions_result_for_partitions`` and at
``infer_partition_mapping``, which says what holds where nobody has given a mapping.
"""

import dagster as dg
from dagster._core.definitions.partitions.context import partition_loading_context
from dagster._core.definitions.partitions.utils import infer_partition_mapping


def partitions_taken(
    instance: dg.DagsterInstance,
    own: tuple[dg.PartitionsDefinition, str] | None,
    above: dg.PartitionsDefinition,
    mapping: dg.PartitionMapping | None,
) -> list[str]:
    """Returns which partitions of an asset another one takes, sorted by key.

    Args:
        own: the partitions of the one that takes, and which of them it makes; None if it has none.
        above: the partitions of the asset that is taken.
        mapping: as declared; None for what Dagster takes on its own.
    """
    partitions = own[0] if own else None
    with partition_loading_context(dynamic_partitions_store=instance):
        subset = partitions.subset_with_partition_keys([own[1]]) if own and partitions else None
        chosen = infer_partition_mapping(mapping, partitions, above)
        found = chosen.get_upstream_mapped_partitions_result_for_partitions(subset, partitions, above)
        return sorted(found.partitions_subset.get_partition_keys())
