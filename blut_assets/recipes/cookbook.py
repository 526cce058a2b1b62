"""Defines the cookbook: what one domain pack brings."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_origin

import dagster as dg

from blut_assets.datasets import DataKind
from blut_assets.floors import FloorsFormat
from blut_assets.model_forms import ModelForm
from blut_assets.recipes.recipe import Recipe
from blut_assets.splits import SplitFormat
from blut_assets.stages.spec import spec_of
from blut_assets.tools import Tool
from blut_assets.travel import Travel
from blut_resources.runs.intent import Intents

AnyAsset = dg.AssetsDefinition | dg.AssetSpec | dg.SourceAsset
"""A stage asset, any other of Dagster's, or one that is made elsewhere."""


def keys_of(asset: AnyAsset) -> set[dg.AssetKey]:
    """Returns the keys of an asset, of which one of Dagster's may have several."""
    return set(asset.keys) if isinstance(asset, dg.AssetsDefinition) else {asset.key}


@dataclass(frozen=True)
class Cookbook:
    """Describes a domain pack.

    A package offers one through an entry point in the group ``blut.cookbooks``.

    All that Blut knows of a domain is declared here.

    Attributes:
        name: the first word of the keys of its assets.
        assets: stage assets, and whatever Dagster has besides: plain assets, and specs of what is made
            elsewhere. Such a spec gives way where another cookbook makes the asset.
        jobs: besides those of its recipes, such as what `Recipe.fixed` makes.
        data: kinds of data that `blut data add` can look at.
        travel: what goes along with a verdict that is exported, and how it is judged again elsewhere.
        floors: formats of floors files that can be pinned for a governed alias.
        forms: in which `blut model export` hands out its models, by the name that ``--as`` takes.
        splits: assets that say who is on which side, which `blut data split export` writes.
        extras: what pip is asked for to have all that its payloads import, such as ``mine[gpu]``.
        tools: programs, and the like, that its stages call.
        variables: names of environment variables that its payloads compute with, or beginnings of names with
            ``*``; those that look like secrets are not passed on.
        commands: commands of ``blut`` that it brings, and where each is: ``module``, whose ``app`` is a
            `typer.Typer`, or ``module:attribute``. It is imported when the command is asked for.
        resources: by key, what its assets take, unless others are given where definitions are built.
        intents: settings that tell a smoke test from a training that is meant to be used.
        owners: people (their addresses) and teams (``team:lab``) that the UI shows for its jobs, and for its
            assets that name none themselves; ``team:<name>`` if not given.
    """

    name: str
    assets: Sequence[AnyAsset]
    recipes: Sequence[Recipe]
    checks: Sequence[dg.AssetChecksDefinition] = field(default=())
    jobs: Sequence[Any] = field(default=())
    schedules: Sequence[dg.ScheduleDefinition] = field(default=())
    sensors: Sequence[dg.SensorDefinition] = field(default=())
    data: Sequence[DataKind] = field(default=())
    floors: Sequence[FloorsFormat] = field(default=())
    travel: Travel | None = None
    forms: Mapping[str, ModelForm] = field(default_factory=dict)
    splits: Sequence[SplitFormat] = field(default=())
    extras: Sequence[str] = field(default=())
    tools: Sequence[Tool] = field(default=())
    variables: Sequence[str] = field(default=())
    commands: Mapping[str, str] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    intents: Intents = field(default_factory=Intents)
    owners: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        """Keep what is listed: what comes out of a generator would be gone after one look."""
        for name in (one.name for one in fields(self) if get_origin(one.type) is Sequence):
            value = getattr(self, name)
            if isinstance(value, str) or not isinstance(value, Iterable):
                raise TypeError(f"Cookbook {self.name}: {name} = {value!r}: a list is wanted")
            object.__setattr__(self, name, tuple(value))
        for name in (one.name for one in fields(self) if get_origin(one.type) is Mapping):
            if not isinstance(value := getattr(self, name), Mapping):
                raise TypeError(f"Cookbook {self.name}: {name} = {value!r}: a mapping is wanted")

    def stages(self) -> dict[dg.AssetKey, dg.AssetsDefinition]:
        """Returns its stage assets."""
        assets = [asset for asset in self.assets if isinstance(asset, dg.AssetsDefinition)]
        return {spec.key: asset for asset in assets if (spec := spec_of(asset))}

    def narrowed_to(self, names: Collection[str]) -> "Cookbook":
        """Returns the same with only these recipes, their assets, and what checks those."""
        recipes = [recipe for recipe in self.recipes if recipe.name in names]
        keys = {key for recipe in recipes for asset in recipe.assets for key in asset.keys}
        assets = [asset for asset in self.assets if keys_of(asset) & keys]
        checks = [check for check in self.checks if {one.asset_key for one in check.check_keys} & keys]
        return replace(self, recipes=recipes, assets=assets, checks=checks, jobs=(), schedules=(), sensors=())
