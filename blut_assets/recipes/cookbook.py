"""Cookbook: what one domain pack brings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import dagster as dg

from blut_assets.datasets import DataKind
from blut_assets.floors import FloorsFormat
from blut_assets.recipes.recipe import Recipe
from blut_resources.runs.intent import Intents


@dataclass(frozen=True)
class Cookbook:
    """A domain pack. A package offers one through an entry point in the group ``blut.cookbooks``.

    ``tools`` are the programs that its stages call, each with what it is needed for; ``intents`` the settings
    that tell a smoke test from a training that is meant to be used.
    """

    name: str
    assets: Sequence[dg.AssetsDefinition]
    recipes: Sequence[Recipe]
    checks: Sequence[dg.AssetChecksDefinition] = field(default=())
    sensors: Sequence[dg.SensorDefinition] = field(default=())
    data: Sequence[DataKind] = field(default=())
    floors: Sequence[FloorsFormat] = field(default=())
    tools: Mapping[str, str] = field(default_factory=dict)
    intents: Intents = field(default_factory=Intents)
