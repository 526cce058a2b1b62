"""Gives a job both a form of args and partitions.

A job takes a config mapping or partitions and refuses both, although its runs know how to be either: what is
changed here is the constructor of jobs, and only for an `ArgsForm`. After an upgrade look at
``JobDefinition._resolve_configs`` and ``PartitionedConfig.from_flexible_config``.
"""

import functools
from collections.abc import Mapping
from typing import Any

import dagster as dg


class ArgsForm(dg.ConfigMapping):
    """Maps a form of args to the config of a job whose assets have partitions.

    A run of one partition that nobody gave args, such as one of a backfill, has that key and no other.
    """

    def by_partition(self, partitions: dg.PartitionsDefinition) -> dg.PartitionedConfig[Any]:
        """Returns what Dagster takes for the config of each partition."""
        return dg.PartitionedConfig(
            partitions, run_config_for_partition_key_fn=lambda key: {"partition": key}
        )


_from_flexible_config = dg.PartitionedConfig.from_flexible_config
_resolve_configs = dg.JobDefinition._resolve_configs


@functools.wraps(_from_flexible_config)
def _by_partition(config: Any, partitions_def: dg.PartitionsDefinition) -> dg.PartitionedConfig[Any]:
    if isinstance(config, ArgsForm):
        return config.by_partition(partitions_def)
    return _from_flexible_config(config, partitions_def)


@functools.wraps(_resolve_configs)
def _both(job: Any) -> tuple[Any, Any, Mapping[str, Any] | None]:
    partitioned, mapping, run_config = _resolve_configs(job)
    given = job._original_config_argument
    return partitioned, given if isinstance(given, ArgsForm) else mapping, run_config


dg.PartitionedConfig.from_flexible_config = staticmethod(_by_partition)  # type: ignore[method-assign]
dg.JobDefinition._resolve_configs = _both  # type: ignore[method-assign]
