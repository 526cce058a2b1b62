"""Recipe: a named job with typed args. Cookbook: what one domain pack brings."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar, get_args, get_origin

import dagster as dg
from pydantic import Field, ValidationError
from pydantic.fields import FieldInfo

from blut_assets.artifacts import Artifact
from blut_assets.datasets import DataKind
from blut_assets.executor import EXECUTION
from blut_assets.floors import FloorsFormat
from blut_assets.limits import NO_LIMITS, LimitsConfig
from blut_assets.stages import COMMON, StageConfig, spec_of
from blut_assets.tools import Tool
from blut_resources.intent import Intents

C = TypeVar("C", bound=StageConfig)

RECIPE_TAG = "blut/recipe"
EXECUTION_FORM = (
    "{config: {multiprocess: {max_concurrent: 2}}}: a process for each step; one for all if not given"
)


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


@dataclass(frozen=True)
class Metric:
    """The fact by which the runs of a recipe are compared.

    Attributes:
        asset: the asset that has it; its headline facts are shown beside.
        fact: a number.
        best: whether higher or lower is better.
        only_if: a fact that must be true for a run to be ranked; the others are listed after.
    """

    asset: dg.AssetsDefinition
    fact: str
    best: Literal["highest", "lowest"]
    only_if: str = ""


@dataclass(frozen=True)
class Recipe:
    """A job over a fixed set of assets, configured by one typed form.

    ``configure`` turns the validated args into a config per asset name; assets it leaves out get defaults.
    """

    name: str
    category: str
    description: str
    args: type[RecipeArgs]
    assets: Sequence[dg.AssetsDefinition]
    output: type[Artifact]
    configure: Callable[[Any], Mapping[str, StageConfig]]
    input_kinds: Sequence[str] = ()
    metric: Metric | None = None

    def parse(self, values: Mapping[str, Any]) -> RecipeArgs:
        """Validate args.

        Raises:
            ArgsError: naming each field, its value and what is allowed.
        """
        # asked for here because dg.Config ignores an unknown field and turns a missing one into None, and the
        # launchpad's scaffold gives it as "", which as a path would be the working directory
        fields = self.args.model_fields
        missing = [
            name for name, info in fields.items() if info.is_required() and values.get(name) in (None, "")
        ]
        lines = [
            f"{self.name}: unknown argument {name!r} = {values[name]!r}; known arguments: {', '.join(fields)}"
            for name in values.keys() - fields.keys()
        ] + [
            f"{self.name}: required argument {name!r} is missing:"
            f" {fields[name].description or allowed_values(fields[name])}"
            for name in missing
        ]
        try:
            args = self.args(**{name: value for name, value in values.items() if name in fields})
        except ValidationError as error:
            lines += [self._explain(one) for one in error.errors() if one["loc"][0] not in missing]
        if lines:
            raise ArgsError("\n".join(sorted(lines)))
        try:
            self.configs(args)  # pyright: ignore[reportPossiblyUnboundVariable]
        except ValueError as error:
            raise ArgsError(f"{self.name}: {error}") from None
        return args  # pyright: ignore[reportPossiblyUnboundVariable]

    def configs(self, args: RecipeArgs) -> dict[dg.AssetKey, StageConfig]:
        """The config of every asset of the recipe."""
        chosen = dict(self.configure(args))
        configs: dict[dg.AssetKey, StageConfig] = {}
        for asset in self.assets:
            spec = spec_of(asset)
            assert spec is not None, f"{asset.key} is no stage asset"
            config = chosen.pop(spec.key.path[-1], None) or spec.config()
            configs[spec.key] = config.model_copy(update={name: getattr(args, name) for name in COMMON})
        if chosen:
            raise ValueError(f"recipe {self.name} configures assets it does not run: {sorted(chosen)}")
        return configs

    def run_config(self, args: RecipeArgs) -> dict[str, Any]:
        """Dagster run config with one entry per asset."""
        configs = self.configs(args)
        return {
            "ops": {"__".join(key.path): {"config": c.model_dump(mode="json")} for key, c in configs.items()}
        }

    def job(self) -> Any:
        """The Dagster job; its run config is the args form, and Dagster's own choice of an executor."""

        def to_run_config(values: Mapping[str, Any]) -> dict[str, Any]:
            chosen = {name: values[name] for name in values.keys() & {EXECUTION}}
            return {**self.run_config(self.parse(args_of(values))), **chosen}

        execution = dg.Field(dg.Permissive(), is_required=False, description=EXECUTION_FORM)

        return dg.define_asset_job(
            self.name,
            selection=dg.AssetSelection.assets(*[asset.key for asset in self.assets]),
            config=dg.ConfigMapping(to_run_config, {**self.args.to_fields_dict(), EXECUTION: execution}),
            description=self.description,
            tags={RECIPE_TAG: self.name},
        )

    def template(self) -> dict[str, Any]:
        """Default args; first those that must be given, as ``<required>``."""
        fields = sorted(self.args.model_fields.items(), key=lambda field: not field[1].is_required())
        return {
            name: "<required>" if info.is_required() else _plain(info.get_default(call_default_factory=True))
            for name, info in fields
        }

    def _explain(self, problem: Any) -> str:
        name = ".".join(str(part) for part in problem["loc"])
        what = f"argument {name!r} = {problem['input']!r}: {problem['msg']}"
        return f"{self.name}: {what}; allowed: {self._allowed(name)}"

    def _allowed(self, name: str) -> str:
        info = self.args.model_fields.get(name.split(".")[0])
        if info is None:
            return "see `blut recipe show`"
        return allowed_values(info) + (f" ({info.description})" if info.description else "")


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, dg.Config) else value


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


@dataclass(frozen=True)
class Cookbook:
    """A domain pack. A package offers one through an entry point in the group ``blut.cookbooks``.

    All that Blut knows of a domain is declared here.

    Attributes:
        name: the first word of the keys of its assets.
        data: kinds of data that `blut data add` can look at.
        floors: formats of floors files that can be pinned for a governed alias.
        extras: what pip is asked for to have all that its payloads import, such as ``mine[gpu]``.
        tools: programs, and the like, that its stages call.
        variables: names of environment variables that its payloads compute with, or beginnings of names with
            ``*``; those that look like secrets are not passed on.
        intents: settings that tell a smoke test from a training that is meant to be used.
    """

    name: str
    assets: Sequence[dg.AssetsDefinition]
    recipes: Sequence[Recipe]
    checks: Sequence[dg.AssetChecksDefinition] = field(default=())
    sensors: Sequence[dg.SensorDefinition] = field(default=())
    data: Sequence[DataKind] = field(default=())
    floors: Sequence[FloorsFormat] = field(default=())
    extras: Sequence[str] = field(default=())
    tools: Sequence[Tool] = field(default=())
    variables: Sequence[str] = field(default=())
    intents: Intents = field(default_factory=Intents)
