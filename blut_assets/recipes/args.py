"""Defines the args of a recipe: what every recipe accepts, and how they become the configs of its assets."""

import functools
import inspect
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, cast, get_args, get_origin

import dagster as dg
from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic.fields import FieldInfo
from pydantic_core import CoreSchema

from blut_assets.recipes.revealing import NOT_SHOWN
from blut_assets.stages.executor import EXECUTION
from blut_assets.stages.limits import LimitsConfig
from blut_assets.stages.partitions import PARTITION
from blut_assets.stages.spec import StageConfig
from blut_resources.payloads.environment import SECRET
from blut_resources.runs.settings import ARGS_TAG, fixed_args
from blut_resources.text import meant, one_line, said_of

C = TypeVar("C", bound=StageConfig)


class ArgsError(dg.DagsterError, ValueError):
    """Says that a recipe does not accept arguments; one line per problem.

    An error of Dagster's own kind: the launchpad shows it as it is, and not below one that says only that
    something was thrown.
    """


def unknown_argument(recipe: str, path: Sequence[str], value: Any, known: Collection[str]) -> str:
    """Says that a recipe has no argument of a name, and which one may be meant; no secret is repeated.

    Args:
        path: the keys from the top on.
        known: the names that there are in the place of the last of them.
    """
    shown = NOT_SHOWN if any(SECRET.search(key.upper()) for key in path) else one_line(repr(value), 200)
    told = f"{recipe}: unknown argument {'.'.join(path)!r}{'' if value is None else f' = {shown}'}"
    if near := meant(path[-1], known):
        return f"{told}{near}; `blut recipe show {recipe}` lists what there is"
    return f"{told}; known arguments: {', '.join(known)}"


def no_choice(problem: Any) -> str:
    """Returns what an error of pydantic says; of a choice the nearest, since `allowed_values` lists all."""
    if problem["type"] != "literal_error":
        return said_of(problem)
    choices = re.findall("'([^']+)'", problem["ctx"]["expected"])
    return f"no such choice{meant(str(problem['input']), choices)}"


def args_of(run: dg.DagsterRun) -> dict[str, Any] | None:
    """Returns the args of a recipe's run, without what says how Dagster is to execute it.

    None for a run of a job with fixed args to which somebody gave another config.
    """
    if ARGS_TAG in run.tags:
        return fixed_args(run.run_config, run.tags)
    return without_execution(run.run_config)


def without_execution(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the args of a form without what says how Dagster is to execute the run, and for what."""
    return {name: value for name, value in values.items() if name not in (EXECUTION, PARTITION)}


@dataclass(frozen=True)
class _Alike:
    """Refuses, when its class is made, a field whose type is not that of the one it is taken from."""

    config: type[BaseModel]
    name: str = field(repr=False)  # a page of the reference would take it for a name to link to

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        if source != (own := self.config.model_fields[self.name].annotation):
            raise TypeError(
                f"a field is declared as {source} and taken from {self.config.__name__}.{self.name}, which is"
                f" {own}: declare it as that"
            )
        return handler(source)


def like(config: type[BaseModel], name: str, **changes: Any) -> Any:
    """Returns a field that is taken over from another config class: default, bounds and description.

    The type is written out where the field is declared, for readers and type checkers, and must be the one
    that the other class has: ``limit: int | None = like(LmaCorpusConfig, "limit")``.

    Args:
        changes: what is to be otherwise, as `pydantic.Field` takes it, such as ``description``.

    Raises:
        KeyError: the class has no such field.
        TypeError: when the class is made: the field is declared as another type.
    """
    taken = FieldInfo.merge_field_infos(config.model_fields[name], **changes)
    taken.metadata = [*taken.metadata, _Alike(config, name)]
    return taken


def origin_of(field: FieldInfo) -> tuple[type[BaseModel], str] | None:
    """Returns the config class and the field that a field was taken over from; None for one of its own."""
    alike = next((one for one in field.metadata if isinstance(one, _Alike)), None)
    return (alike.config, alike.name) if alike else None


class RecipeArgs(dg.Config):
    """Holds what every recipe accepts."""

    reuse: Literal["auto", "never", "require"] = like(
        StageConfig,
        "reuse",
        description="auto: take stored results; never: compute all again; require: compute nothing",
    )
    limits: LimitsConfig = like(
        StageConfig, "limits", description='of each payload, such as {"memory_max": "44G"}'
    )
    logger: Literal["auto", "none", "wandb"] = like(StageConfig, "logger")
    on_divergence: Literal["stop", "report"] = like(StageConfig, "on_divergence")
    divergence_factor: float | None = like(StageConfig, "divergence_factor")
    retries: int = like(StageConfig, "retries")
    deadline: str | None = like(StageConfig, "deadline")
    launcher: str | None = like(StageConfig, "launcher")
    push: bool | None = like(StageConfig, "push")


_made: ContextVar[dict[tuple[type[StageConfig], str], StageConfig] | None] = ContextVar("_made", default=None)


@contextmanager
def equal_configs_once() -> Iterator[None]:
    """Validate equal configs of assets once in the block: those of many trials are mostly equal.

    What a validator finds of files or the environment is what it found the first time.
    """
    token = _made.set({})
    try:
        yield
    finally:
        _made.reset(token)


def config_from(config: type[C], args: RecipeArgs, **given: Any) -> C:
    """Returns an asset's config: what is given, and else the args of the same names."""
    values = {name: getattr(args, name) for name in _shared(config, type(args))} | given
    if (made := _made.get()) is None:
        return config(**values)
    # repr tells 1 from True and 1.0; that of a model is slow
    plain = [value.__dict__ if isinstance(value, BaseModel) else value for value in values.values()]
    key = (config, repr(plain))
    if key not in made:
        made[key] = config(**values)
    return cast("C", made[key])


@functools.cache
def _shared(config: type[BaseModel], args: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name in config.model_fields if name in args.model_fields)


def allowed_values(info: FieldInfo) -> str:
    """Returns what a field accepts, in words."""
    if inspect.isclass(info.annotation) and issubclass(info.annotation, dg.Config):
        return "object with " + ", ".join(info.annotation.model_fields)
    if get_origin(info.annotation) is list:
        return f"list of {get_args(info.annotation)[0].__name__}"
    if get_origin(info.annotation) is dict:
        return "object of names and values"
    if info.annotation is Any:
        return " or ".join(map(repr, info.examples)) if info.examples else "list or object"
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
