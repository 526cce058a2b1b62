"""Defines the cookbook: what one domain pack brings."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import dagster as dg

from blut_assets.datasets import DataKind
from blut_assets.floors import FloorsFormat
from blut_assets.recipes.recipe import Recipe
from blut_assets.splits import SplitFormat
from blut_assets.tools import Tool
from blut_assets.travel import Travel
from blut_resources.runs.intent import Intents


@dataclass(frozen=True)
class Cookbook:
    """Describes a domain pack.

    A package offers one through an entry point in the group ``blut.cookbooks``.

    All that Blut knows of a domain is declared here.

    Attributes:
        name: the first word of the keys of its assets.
        data: kinds of data that `blut data add` can look at.
        travel: what goes along with a verdict that is exported, and how it is judged again elsewhere.
        floors: formats of floors files that can be pinned for a governed alias.
        splits: assets that say who is on which side, which `blut data split export` writes.
        extras: what pip is asked for to have all that its payloads import, such as ``mine[gpu]``.
        tools: programs, and the like, that its stages call.
        variables: names of environment variables that its payloads compute with, or beginnings of names with
            ``*``; those that look like secrets are not passed on.
        commands: commands of ``blut`` that it brings, and where each is: ``module``, whose ``app`` is a
            `typer.Typer`, or ``module:attribute``. It is imported when the command is asked for.
        intents: settings that tell a smoke test from a training that is meant to be used.
    """

    name: str
    assets: Sequence[dg.AssetsDefinition]
    recipes: Sequence[Recipe]
    checks: Sequence[dg.AssetChecksDefinition] = field(default=())
    sensors: Sequence[dg.SensorDefinition] = field(default=())
    data: Sequence[DataKind] = field(default=())
    floors: Sequence[FloorsFormat] = field(default=())
    travel: Travel | None = None
    splits: Sequence[SplitFormat] = field(default=())
    extras: Sequence[str] = field(default=())
    tools: Sequence[Tool] = field(default=())
    variables: Sequence[str] = field(default=())
    commands: Mapping[str, str] = field(default_factory=dict)
    intents: Intents = field(default_factory=Intents)

    def narrowed_to(self, names: Collection[str]) -> "Cookbook":
        """Returns the same with only these recipes, their assets, and what checks those."""
        recipes = [recipe for recipe in self.recipes if recipe.name in names]
        keys = {key for recipe in recipes for asset in recipe.assets for key in asset.keys}
        assets = [asset for asset in self.assets if asset.keys & keys]
        checks = [check for check in self.checks if {one.asset_key for one in check.check_keys} & keys]
        return replace(self, recipes=recipes, assets=assets, checks=checks, sensors=())
