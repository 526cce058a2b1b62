"""Says which partition a step makes, what its config is for it, and which partitions of an input it takes.

A parameter ``dict[str, X]`` takes several partitions of the asset above, each by its key. In a fingerprint,
in a plan and in the lineage each of them is an input of its own, called ``parameter[key]``.
"""

import inspect
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages.spec import StageConfig, StageSpec
from blut_resources.payload_kit.refuse import Refused

HERE = "{partition}"
"""Stands in a text of a config for the key of the partition."""
DIMENSION = "{partition."
PARTITION = "partition"
"""Says in the form of args which partition a run is for."""
NAMED = 8
"""Partitions that a message names."""

C = TypeVar("C", bound=dg.Config)
Taken = Mapping[str, Artifact | Mapping[str, Artifact]]
"""What a stage function takes, by parameter name: an artifact, or artifacts by partition."""


def element_of(hint: Any) -> tuple[type[Artifact] | None, bool]:
    """Returns what a parameter takes, and whether it takes several by partition; None if no artifact."""
    kind, several = split(hint)
    return (kind, several) if inspect.isclass(kind) and issubclass(kind, Artifact) else (None, several)


def split(hint: Any) -> tuple[Any, bool]:
    """Returns the annotation of what is taken of each partition, and whether several are."""
    several = typing.get_origin(hint) is dict and typing.get_args(hint)[0] is str
    return (typing.get_args(hint)[1] if several else hint), several


def one_by_one(inputs: Taken) -> dict[str, Artifact]:
    """Returns every artifact by the name that a fingerprint has for it."""
    found: dict[str, Artifact] = {}
    for name, taken in inputs.items():
        many = taken.items() if isinstance(taken, Mapping) else ()
        found |= {part(name, key): one for key, one in many} if many else {}
        found |= {name: taken} if isinstance(taken, Artifact) else {}
    return found


def part(name: str, key: str) -> str:
    """Returns what one partition of an input, or of an asset, is called."""
    return f"{name}[{key}]"


def whole(name: str) -> str:
    """Returns the parameter that an input belongs to."""
    return name.partition("[")[0]


def asset_of(spec: StageSpec, name: str) -> str:
    """Returns the asset that an input is of, and which partition of it where several are taken."""
    parameter = whole(name)
    return spec.inputs[parameter].to_user_string() + name.removeprefix(parameter)


def own_partition(spec: StageSpec, run: str | None) -> str | None:
    """Returns which partition of an asset a run of one partition makes; None for an asset without."""
    return run if spec.partitions is not None else None


def partition_of(context: dg.AssetExecutionContext) -> str | None:
    """Returns the partition that a step makes; None for an asset without, also in a run of a partition.

    Raises:
        Failure: a partitioned asset is run without a partition, or with several at once.
    """
    if context.assets_def.partitions_def is None:
        return None
    asset = context.asset_key.to_user_string()
    if context.has_partition_key:
        said = context.run.run_config.get(PARTITION, context.partition_key)
        if said != context.partition_key:
            raise dg.Failure(
                f"{asset}: the args say {PARTITION} = {said!r}, and the run is for {context.partition_key!r}:"
                " choose the partition again, or write the same in the args",
                allow_retries=False,
            )
        return context.partition_key
    if context.has_partition_key_range:
        raise dg.Failure(
            f"{asset}: this run is for a range of partitions, and each has a result of its own: launch a run"
            " for each, as `--partition FIRST...LAST` of `blut recipe run` does, or a backfill",
            allow_retries=False,
        )
    raise dg.Failure(
        f"{asset} has partitions, and this run says none of them: choose one in the UI, or give"
        " `--partition KEY`",
        allow_retries=False,
    )


def settled(spec: StageSpec, config: StageConfig, partition: str | None, *, run: str | None) -> StageConfig:
    """Returns the config of one partition, with its key where a text says ``{partition}``.

    Args:
        partition: of the asset; None if it has none.
        run: the partition of the run, which an asset without partitions may be in.

    Raises:
        Refused: an asset without partitions is told of one, there is no such dimension, or the config does
            not hold with the key in it.
    """
    if run is None or not names_partition(config.model_dump(mode="json")):
        return config
    asset = spec.key.to_user_string()
    if partition is None:
        raise Refused(
            f"{asset} has no partitions, and its config says {HERE}: it would be made again for each. Take"
            " it out of the texts that this asset gets"
        )
    try:
        return with_key(config, partition)
    except ValueError as error:
        raise Refused(f"{asset}, partition {partition}: {error}") from None


def names_partition(values: Any) -> bool:
    """Says whether a text in a config or in args stands for the key of a partition."""
    text = json.dumps(values)
    return HERE in text or DIMENSION in text


def with_key(config: C, partition: str) -> C:
    """Returns a config, or args, with the key of a partition in place of ``{partition}``.

    Of several dimensions, ``{partition.NAME}`` is the key of one.

    Raises:
        ValueError: there is no such dimension, or a value does not hold with the key in it.
    """
    values = config.model_dump(mode="json")
    if not names_partition(values):
        return config
    words = {HERE: str(partition)}
    words |= {f"{DIMENSION}{name}}}": key for name, key in dimensions_of(partition).items()}
    values = _replaced(values, words)
    if DIMENSION in json.dumps(values):
        raise ValueError(f"a text names a dimension that partitions do not have: there is {', '.join(words)}")
    return type(config)(**values)


def _replaced(value: Any, words: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {name: _replaced(one, words) for name, one in value.items()}
    if isinstance(value, list):
        return [_replaced(one, words) for one in value]
    if isinstance(value, str):
        for sign, key in words.items():
            value = value.replace(sign, key)
    return value


def dimensions_of(partition: str | None) -> dict[str, str]:
    """Returns the keys of a partition by the name of the dimension; empty where there is only one."""
    return dict(partition.keys_by_dimension) if isinstance(partition, dg.MultiPartitionKey) else {}


def typed_key(partitions: dg.PartitionsDefinition | None, key: str | None) -> str | None:
    """Returns the key of a partition that a text spells, with its dimensions where there are several."""
    if key is None or not isinstance(partitions, dg.MultiPartitionsDefinition):
        return key
    names = sorted(partitions.partition_dimension_names)
    parts = key.split("|")
    return dg.MultiPartitionKey(dict(zip(names, parts, strict=True))) if len(parts) == len(names) else key


def listed(keys: Iterable[str]) -> str:
    """Returns the names of partitions, the first few of many."""
    names = list(keys)
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
