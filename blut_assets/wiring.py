"""Compares the types on both ends of an edge at load time; Dagster compares them only at run time."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from blut_assets.pages.metadata import KIND
from blut_assets.recipes.cookbook import AnyAsset
from blut_assets.stages.external import HANDLES_KEY, kinds_of
from blut_assets.stages.spec import StageSpec, spec_of


def faults_of_edge(below: StageSpec, parameter: str, above: AnyAsset) -> Iterator[str]:
    """Yields why an input of a stage asset cannot be what another asset makes; it follows the input's name.

    Args:
        above: the asset that makes it, which may have several keys.
    """
    wanted, key = below.input_types[parameter], below.inputs[parameter]
    name, spec = key.to_user_string(), spec_of(above)
    if spec is not None:
        yield from _of_stages(below, parameter, spec)
    elif isinstance(above, dg.AssetsDefinition) and above.is_executable:
        if above.get_io_manager_key_for_asset_key(key) != HANDLES_KEY:
            yield (
                f" from {name}, but that is a plain asset, which leaves no artifact: declare it with"
                " stage_asset, or take its path as a field of the config"
            )
    elif (kind := _kind_of(key, above)) not in (None, *kinds_of(wanted)):
        yield f" of the kind {wanted.kind!r}, but {name} is declared to be of the kind {kind!r}"


def _of_stages(below: StageSpec, parameter: str, above: StageSpec) -> Iterator[str]:
    wanted, name = below.input_types[parameter], above.key.to_user_string()
    if not issubclass(above.output, wanted):
        yield f", but {name} makes {above.output.__name__}"
    elif parameter in below.several and above.partitions is None:
        yield f" by partition, but {name} has none: take one {wanted.__name__}"
    elif above.partitions and not below.partitions and parameter not in {*below.several, *below.mappings}:
        yield (
            f", but {name} has partitions, and {below.key.to_user_string()} none:"
            f" take dict[str, {wanted.__name__}], or say with partition_mappings which one it is"
        )


def _kind_of(key: dg.AssetKey, external: AnyAsset) -> Any:
    """Returns the kind of an artifact that is made elsewhere, where its declaration says one."""
    spec = external.get_asset_spec(key) if isinstance(external, dg.AssetsDefinition) else external
    return (spec.metadata or {}).get(KIND)
