"""Leads from EDF recordings to a promoted encoder and decoder: LamQuant, a neural EEG codec."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blut_assets.recipes import Cookbook


def cookbook() -> "Cookbook":
    """Returns the entry point.

    Imports stay in here: payloads import this package and must not load Dagster.
    """
    from blut_assets.floors import FloorsFormat
    from blut_assets.recipes import Cookbook
    from blut_assets.splits import SplitFormat
    from blut_resources.runs.intent import Intents
    from cookbooks.lamquant.corpus import split_manifest
    from cookbooks.lamquant.data_kinds import KINDS
    from cookbooks.lamquant.floors import SHIPPED_DEVICE_REGISTRY
    from cookbooks.lamquant.gate import bundle
    from cookbooks.lamquant.gate.floors import pinned_floors
    from cookbooks.lamquant.gate.registry import pinned_second
    from cookbooks.lamquant.gate.split_export import exported
    from cookbooks.lamquant.recipes.catalogue import RECIPES
    from cookbooks.lamquant.sources import SHIPPED_REGISTRY
    from cookbooks.lamquant.verdicts.gates import GATES
    from cookbooks.pytorch import TORCH, VARIABLES

    return Cookbook(
        name="lamquant",
        assets=list(dict.fromkeys(asset for recipe in RECIPES for asset in recipe.assets)),
        recipes=RECIPES,
        checks=GATES,
        data=KINDS,
        extras=["blut[lamquant]"],
        tools=[TORCH],
        variables=[*VARIABLES, "MPL*"],
        commands={"codec": "cookbooks.lamquant.codec_command.app"},
        intents=Intents(
            smoke={"preset": ("smoke",), "edf_root": ("synthetic:*",)}, names=("promote_as", "alias")
        ),
        floors=[
            FloorsFormat("blut.floor_registry.v1", pinned_floors, SHIPPED_REGISTRY, isolated=True),
            FloorsFormat("blut.floor_registry.v2", pinned_second, SHIPPED_DEVICE_REGISTRY, isolated=True),
        ],
        travel=bundle,
        splits=[SplitFormat(split_manifest.key, exported)],
    )
