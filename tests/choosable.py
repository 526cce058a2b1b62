"""A recipe of one asset, also runnable as ``dagster job execute -m tests.choosable -j choosable``."""

from blut_assets.artifacts import Artifact
from blut_assets.building import assemble
from blut_assets.discovery import Discovered
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import stage_asset


class Chosen(Artifact):
    """A line of text."""

    kind = "test.chosen"


@stage_asset(cookbook="choosable", group="a")
def chosen(stage) -> Chosen:
    """A line."""
    (stage.out / "line").write_text("chosen")
    return Chosen()


RECIPE = Recipe("choosable", "test", "One asset.", RecipeArgs, [chosen], Chosen, lambda args: {})
defs = assemble(Discovered([Cookbook("choosable", [chosen], [RECIPE])]))
