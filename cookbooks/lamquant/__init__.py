"""Leads from EDF recordings to a promoted encoder and decoder: LamQuant, a neural EEG codec."""

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.recipes import Cookbook

NAME = "lamquant"


def cookbook(
    name: str = NAME,
    *,
    partitions: "dg.PartitionsDefinition | None" = None,
    shared: Collection[str] = (),
    recipes: Collection[str] | None = None,
) -> "Cookbook":
    """Returns the entry point, or another cookbook of the same assets, such as one for several sites.

    ::

        def sites():
            keys = dg.StaticPartitionsDefinition(["berlin", "kyoto"])
            return cookbook("sites", partitions=keys, recipes=["lamquant_joint_codec"])

    With partitions there is also a recipe that compares the joint codecs of all of them.

    Args:
        name: the first word of the keys of its assets, and of the names of its recipes.
        partitions: of all assets.
        shared: names of assets that have no partitions all the same.
        recipes: names of those that are taken, as they are called here; all if not given.

    Raises:
        ValueError: there is no recipe or asset of a name.
    """
    from dataclasses import replace

    from blut_assets.recipes import variant

    whole = _whole()
    if (name, partitions, recipes) == (NAME, None, None):
        return whole
    made = variant(whole, name, partitions=partitions, shared=shared, recipes=recipes)
    if partitions is None or not any(one.name == f"{name}_joint_codec" for one in made.recipes):
        return made
    from cookbooks.lamquant.reporting import report_of

    report = report_of(name)
    return replace(made, assets=[*made.assets, *report.assets], recipes=[*made.recipes, report])


def _whole() -> "Cookbook":
    """Returns the cookbook. Imports stay in here: payloads import this package and must not load Dagster."""
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
        name=NAME,
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
