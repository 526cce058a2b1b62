"""Defines the recipe: a named job with typed args."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import dagster as dg
from pydantic import ValidationError

from blut_assets.artifacts import Artifact
from blut_assets.extras import lacking
from blut_assets.paths import typed_in
from blut_assets.recipes.args import (
    ArgsError,
    RecipeArgs,
    allowed_values,
    no_choice,
    unknown_argument,
    without_execution,
)
from blut_assets.recipes.revealing import revealed
from blut_assets.stages.executor import EXECUTION, in_process_or_multiprocess
from blut_assets.stages.partitions import PARTITION, typed_key, with_key
from blut_assets.stages.spec import COMMON, StageConfig, spec_of
from blut_resources.runs.settings import fixed_tags
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.text import said_of

RECIPE_TAG = "blut/recipe"
EXECUTION_FORM = (
    "{config: {multiprocess: {max_concurrent: 2}}}: a process for each step; one for all if not given"
)


@dataclass(frozen=True)
class Metric:
    """Names the fact by which the runs of a recipe are compared.

    Attributes:
        asset: the asset that has it; its headline facts are shown beside.
        fact: a number.
        best: whether higher or lower is better.
        only_if: a fact that must be true for a run to be ranked; the others are listed after.
        within: inputs of the asset that say on what it was measured, such as the corpus and the split: only
            results that had the same ones are ranked against each other.
        shows: what the leaderboard shows besides, as metadata; called with the store and the facts of the
            results, the best first.
    """

    asset: dg.AssetsDefinition
    fact: str
    best: Literal["highest", "lowest"]
    only_if: str = ""
    within: tuple[str, ...] = ()
    shows: Callable[[ArtifactStore, Sequence[Mapping[str, Any]]], Mapping[str, Any]] | None = None


Annotated = Callable[
    [
        ArtifactStore,
        Mapping[dg.AssetKey, StageConfig],
        Mapping[dg.AssetKey, Mapping[str, Any]],
        Mapping[dg.AssetKey, Mapping[str, Any]],
    ],
    int,
]
"""Counts recordings that are newly annotated: of a store, the configs of the assets, and the facts of the
sources as they are now and as they were before, where nothing may be known."""


@dataclass(frozen=True, eq=False)
class Recipe:
    """Defines a job over a fixed set of assets, configured by one typed form.

    ``configure`` turns the validated args into a config per asset name; assets it leaves out get defaults.
    A plain asset goes by the name of its op, and its config is any ``dagster.Config`` or mapping.

    Attributes:
        backend: in a word, with what it computes, for the catalogue; the cookbook's name if empty.
        ends_in: in a word, what it is run for, for the catalogue; the kind of the output if empty.
        annotated: counts recordings that are newly annotated, for a retraining policy; None for a recipe that
            learns nothing from annotations.
        settings: the file ``configs/<settings>.yaml`` of its package has settings that are stronger than the
            defaults; called after the recipe if empty.
        demo: the file ``configs/<demo>.yaml`` of its package has args with which anybody can try it; none if
            empty.
    """

    name: str
    category: str
    description: str
    args: type[RecipeArgs]
    assets: Sequence[dg.AssetsDefinition]
    output: type[Artifact]
    configure: Callable[[Any], Mapping[str, Any]]
    input_kinds: Sequence[str] = ()
    metric: Metric | None = None
    backend: str = ""
    ends_in: str = ""
    annotated: Annotated | None = None
    settings: str = ""
    demo: str = ""

    @property
    def partitions(self) -> dg.PartitionsDefinition | None:
        """Returns the partitions of its assets; None if none of them has any.

        Raises:
            DagsterInvalidDefinitionError: two of them have different ones, so that no key names a run.
        """
        found: dict[dg.PartitionsDefinition, str] = {}
        for asset in self.assets:
            if asset.partitions_def is not None:
                found.setdefault(asset.partitions_def, min(asset.keys).to_user_string())
        if len(found) > 1:
            raise dg.DagsterInvalidDefinitionError(
                f"recipe {self.name}: {' and '.join(found.values())} have different partitions, and a run is"
                " for one key: give them the same, or make it two recipes"
            )
        return next(iter(found), None)

    def parse(self, values: Mapping[str, Any], partitions: Sequence[str | None] = (None,)) -> RecipeArgs:
        """Validate args.

        Args:
            partitions: those that they are to hold for, each with its key in place of ``{partition}``.

        Raises:
            ArgsError: naming each field, its value and what is allowed.
        """
        return self.configured(values, partitions)[0]

    def configured(
        self, values: Mapping[str, Any], partitions: Sequence[str | None] = (None,)
    ) -> tuple[RecipeArgs, list[dict[dg.AssetKey, StageConfig]]]:
        """Returns validated args, and the configs that they mean for each partition; as `parse`."""
        # asked for here because dg.Config ignores an unknown field and turns a missing one into None, and the
        # launchpad's scaffold gives it as "", which as a path would be the working directory
        fields = self.args.model_fields
        missing = [
            name for name, info in fields.items() if info.is_required() and values.get(name) in (None, "")
        ]
        lines = [
            unknown_argument(self.name, [name], values[name], fields)
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
            configs = [self.configs(args, key) for key in partitions]  # pyright: ignore[reportPossiblyUnboundVariable]
        except ValidationError as error:
            raise ArgsError("\n".join(sorted(self._explain(one) for one in error.errors()))) from None
        except ValueError as error:
            raise ArgsError(f"{self.name}: {error}") from None
        return args, configs  # pyright: ignore[reportPossiblyUnboundVariable]

    def configs(self, args: RecipeArgs, partition: str | None = None) -> dict[dg.AssetKey, StageConfig]:
        """Returns the config of every stage asset of the recipe, for one partition if it has any.

        Raises:
            ValueError: the recipe does not take the args, or not with the key of the partition in them.
        """
        return self._configured(args, partition)[0]

    def _configured(
        self, args: RecipeArgs, partition: str | None
    ) -> tuple[dict[dg.AssetKey, StageConfig], dict[str, Any]]:
        """Returns the configs of stage assets by key, and those of plain assets by the names of their ops."""
        given = self.configure(args if partition is None else with_key(args, partition))
        chosen = dict(given)
        configs: dict[dg.AssetKey, StageConfig] = {}
        for asset in self.assets:
            if spec := spec_of(asset):
                config = chosen.pop(spec.key.path[-1], None) or spec.config()
                said = {
                    name: value for name in COMMON if (value := getattr(args, name)) != getattr(config, name)
                }
                configs[spec.key] = config.model_copy(update=said) if said else config
        plain = [asset.node_def.name for asset in self.assets if not spec_of(asset)]
        if unknown := sorted(chosen.keys() - {*plain}):
            raise ValueError(f"recipe {self.name} configures assets it does not run: {unknown}")
        return configs, {name: _plain_config(given[name]) for name in plain if name in given}

    def run_config(self, args: RecipeArgs, partition: str | None = None) -> dict[str, Any]:
        """Returns Dagster run config with one entry per asset."""
        found, plain = self._configured(args, partition)
        stages = {"__".join(key.path): one.model_dump(mode="json") for key, one in found.items()}
        configs = {**stages, **plain}
        return {"ops": {name: {"config": config} for name, config in configs.items()}}

    def job(
        self,
        extras: Sequence[str] = (),
        executor: dg.ExecutorDefinition | None = None,
        owners: Sequence[str] = (),
    ) -> Any:
        """Returns the Dagster job;
        its run config is the args form, and Dagster's own choice of an executor.

        Args:
            extras: what its payloads import; a run is refused where a package of it is not installed.
            executor: that of the definitions if not given.
            owners: people (their addresses) and teams (``team:lab``) that the UI shows.
        """

        def to_run_config(values: Mapping[str, Any]) -> dict[str, Any]:
            if lack := lacking(extras):
                raise ArgsError("\n".join(f"{self.name} needs {one.told}" for one in lack))
            chosen = {name: values[name] for name in values.keys() & {EXECUTION}}
            key = typed_key(partitions, values.get(PARTITION) if partitions else None)
            return {**self.run_config(self.parse(without_execution(values), [key]), key), **chosen}

        partitions, form = self.partitions, dg.ConfigMapping
        fields: dict[str, Any] = {
            **self.args.to_fields_dict(),
            EXECUTION: dg.Field(dg.Permissive(), is_required=False, description=EXECUTION_FORM),
        }
        if partitions is not None:
            form = _form_by_partition(self.name, fields)

        return dg.define_asset_job(
            self.name,
            selection=dg.AssetSelection.assets(*[key for asset in self.assets for key in asset.keys]),
            config=form(to_run_config, fields),
            description=self.description,
            tags={RECIPE_TAG: self.name},
            executor_def=executor,
            owners=list(owners) or None,
        )

    def fixed(
        self,
        name: str,
        args: Mapping[str, Any],
        *,
        relative_to: Path | None = None,
        tags: Mapping[str, str] | None = None,
        metadata: Mapping[str, Any] | None = None,
        executor: dg.ExecutorDefinition | None = in_process_or_multiprocess,
        **options: Any,
    ) -> Any:
        """Returns a job that runs the recipe with these args: for a schedule, a sensor, or a condition.

        Its runs count as those of the recipe wherever these are listed or compared.

        Args:
            name: of the job; unlike the recipe's.
            relative_to: where relative paths among the args count from; without it they are refused, since a
                server that loads the job has no directory of its own.
            tags: of the job and of its runs.
            executor: all steps in one process unless told otherwise; with None that of the definitions.
            options: what `dagster.define_asset_job` takes besides, such as ``automation_condition`` and
                ``owners``.

        Raises:
            ArgsError: naming each field, its value and what is allowed; or that it holds a secret of the
                environment.
        """
        partitions = self.partitions
        try:
            with typed_in(relative_to):
                parsed = self.parse(args, (None,) if partitions is None else _first_and_last(partitions))
        except ArgsError as error:
            raise ArgsError("\n".join(f"{name}: {line}" for line in str(error).splitlines())) from None
        _refuse_name(name, self.name)
        # limits have a dozen fields, and hardly ever any that is set
        values = parsed.model_dump(mode="json") | {"limits": _plain(parsed.limits)}
        if found := revealed(values):
            raise ArgsError("\n".join(f"{name}: {self.name}: {line}" for line in found))
        marks = {**(tags or {}), RECIPE_TAG: self.name}
        config, told = self._fixed_config(parsed, values)
        return dg.define_asset_job(
            name,
            selection=dg.AssetSelection.assets(*[key for asset in self.assets for key in asset.keys]),
            config=config,
            tags=marks,
            run_tags={**marks, **told},
            metadata={"args": dg.MetadataValue.json(values), **(metadata or {})},
            executor_def=executor,
            **{"description": self.description, **options},
        )

    def _fixed_config(self, args: RecipeArgs, values: Mapping[str, Any]) -> tuple[Any, dict[str, str]]:
        """Returns the config of a job with fixed args, for each partition if there are any, and the tags of
        its runs that tell the args.
        """
        partitions = self.partitions
        if partitions is None:
            config = self.run_config(args)
            return config, fixed_tags(values, config)

        def of(key: str) -> dict[str, Any]:
            return self.run_config(args, typed_key(partitions, key))

        def told(key: str) -> dict[str, str]:
            return fixed_tags(values, of(key))

        by_key: Any = dg.PartitionedConfig(
            partitions, run_config_for_partition_key_fn=of, tags_for_partition_key_fn=told
        )
        return by_key, {}

    def template(self) -> dict[str, Any]:
        """Returns default args; first those that must be given, as ``<required>``."""
        fields = sorted(self.args.model_fields.items(), key=lambda field: not field[1].is_required())
        return {
            name: "<required>" if info.is_required() else _plain(info.get_default(call_default_factory=True))
            for name, info in fields
        }

    def _explain(self, problem: Any) -> str:
        name = ".".join(str(part) for part in problem["loc"])
        if not name:  # it is of several together, and names them
            return f"{self.name}: {said_of(problem)}"
        # of a field inside another all choices are only in what pydantic says
        said = no_choice(problem) if len(problem["loc"]) == 1 else said_of(problem)
        what = f"argument {name!r} = {problem['input']!r}: {said}"
        return f"{self.name}: {what}; allowed: {self._allowed(name)}"

    def _allowed(self, name: str) -> str:
        info = self.args.model_fields.get(name.split(".")[0])
        if info is None:
            return "see `blut recipe show`"
        return allowed_values(info) + (f" ({info.description})" if info.description else "")


def _first_and_last(partitions: dg.PartitionsDefinition) -> list[str | None]:
    """Returns the keys by which args are checked when definitions load; none where an instance has them."""
    several = isinstance(partitions, dg.MultiPartitionsDefinition)
    parts = [one.partitions_def for one in partitions.partitions_defs] if several else [partitions]
    if any(isinstance(one, dg.DynamicPartitionsDefinition) for one in parts):
        return []
    keys = partitions.get_partition_keys()
    return [*dict.fromkeys([*keys[:1], *keys[-1:]])]


def _refuse_name(name: str, recipe: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9_]+", name):
        better = re.sub(r"\W", "_", name, flags=re.ASCII) or f"{recipe}_nightly"
        raise ArgsError(f"name = {name!r}: a job has letters, digits and _ in its name, such as {better}")
    if name == recipe:
        raise ArgsError(
            f"{name}: the recipe's own job has that name; give another one, such as {name}_nightly"
        )


def _plain_config(config: Any) -> Any:
    return config.model_dump(mode="json") if isinstance(config, dg.Config) else config


def _form_by_partition(recipe: str, fields: dict[str, Any]) -> type[dg.ConfigMapping]:
    """Returns what makes the form of a job with partitions, to whose fields it adds one for the key."""
    from blut_resources.dagster_private.args_form import ArgsForm  # this changes how jobs are made

    if PARTITION in fields:
        raise dg.DagsterInvalidDefinitionError(
            f"recipe {recipe}: it has partitions, and an argument {PARTITION!r}: give that another name"
        )
    fields[PARTITION] = dg.Field(str, is_required=False, description="of this run, as the UI fills it in")
    return ArgsForm


def _plain(value: Any) -> Any:
    return value.model_dump(mode="json", exclude_defaults=True) if isinstance(value, dg.Config) else value
