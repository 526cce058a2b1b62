"""The args of a recipe: what every recipe accepts, and how they become the configs of its assets."""

import inspect
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, get_args, get_origin

import dagster as dg
from pydantic import Field
from pydantic.fields import FieldInfo

from blut_assets.stages.executor import EXECUTION
from blut_assets.stages.limits import NO_LIMITS, LimitsConfig
from blut_assets.stages.spec import StageConfig

C = TypeVar("C", bound=StageConfig)


class ArgsError(dg.DagsterError, ValueError):
    """Arguments that a recipe does not accept; one line per problem.

    An error of Dagster's own kind: the launchpad shows it as it is, and not below one that says only that
    something was thrown.
    """


def args_of(run_config: Mapping[str, Any]) -> dict[str, Any]:
    """The args in the config of a recipe's run, without what says how Dagster is to execute it."""
    return {name: value for name, value in run_config.items() if name != EXECUTION}


def _common(name: str) -> Any:
    """A field as every asset has it."""
    return FieldInfo.merge_field_infos(StageConfig.model_fields[name])


class RecipeArgs(dg.Config):
    """What every recipe accepts."""

    reuse: Literal["auto", "never", "require"] = Field(
        "auto", description="auto: take stored results; never: compute all again; require: compute nothing"
    )
    limits: LimitsConfig = Field(NO_LIMITS, description='of each payload, such as {"memory_max": "44G"}')
    logger: Literal["auto", "none", "wandb"] = _common("logger")
    on_divergence: Literal["stop", "report"] = _common("on_divergence")
    divergence_factor: float | None = _common("divergence_factor")


def config_from(config: type[C], args: RecipeArgs, **given: Any) -> C:
    """An asset's config: what is given, and else the args of the same names."""
    shared = config.model_fields.keys() & type(args).model_fields.keys()
    return config(**{name: getattr(args, name) for name in shared} | given)


def allowed_values(info: FieldInfo) -> str:
    """What a field accepts, in words."""
    if inspect.isclass(info.annotation) and issubclass(info.annotation, dg.Config):
        return "object with " + ", ".join(info.annotation.model_fields)
    if get_origin(info.annotation) is list:
        return f"list of {get_args(info.annotation)[0].__name__}"
    if get_origin(info.annotation) is dict:
        return "object of names and values"
    types = [t for t in (get_args(info.annotation) or (info.annotation,)) if t is not type(None)]
    names = [repr(t) if isinstance(t, str) else getattr(t, "__name__", str(t)) for t in types]
    words = {"Ge": "ge", "Gt": "gt", "Le": "le", "Lt": "lt"}
    signs = {"ge": ">=", "gt": ">", "le": "<=", "lt": "<"}
    bounds = [
        f"{signs[attribute]} {getattr(bound, attribute)}"
        for bound in info.metadata
        if (attribute := words.get(type(bound).__name__))
    ]
    return " ".join([" or ".join(names), *bounds])
