"""Checks at load time that the types on both ends of every edge agree;
Dagster compares them only at run time.
"""

from collections.abc import Iterable, Iterator

import dagster as dg

from blut_assets.stages.spec import StageSpec, specs_of


class WiringError(Exception):
    """Says that an edge joins two types that do not fit, or leads nowhere. Each line names both assets."""


def check_wiring(assets: Iterable[dg.AssetsDefinition]) -> None:
    """Compare the output type of every asset with the input types of those that take it.

    Raises:
        WiringError: with one line per wrong edge.
    """
    specs = specs_of(assets)
    problems = [problem for spec in specs.values() for problem in _problems(spec, specs)]
    if problems:
        raise WiringError("\n".join(problems))


def _problems(spec: StageSpec, specs: dict[dg.AssetKey, StageSpec]) -> Iterator[str]:
    for parameter, key in spec.inputs.items():
        wanted = spec.input_types[parameter]
        below = f"{spec.key.to_user_string()} takes {parameter}: {wanted.__name__}"
        above = specs.get(key)
        if above is None:
            yield f"{below} from {key.to_user_string()}, but no stage asset has that key"
        elif not issubclass(above.output, wanted):
            yield f"{below}, but {key.to_user_string()} makes {above.output.__name__}"
        elif parameter in spec.several and above.partitions is None:
            yield f"{below} by partition, but {key.to_user_string()} has none: take one {wanted.__name__}"
        elif above.partitions and not spec.partitions and parameter not in {*spec.several, *spec.mappings}:
            yield (
                f"{below}, but {key.to_user_string()} has partitions, and {spec.key.to_user_string()} none:"
                f" take dict[str, {wanted.__name__}], or say with partition_mappings which one it is"
            )
