"""A cookbook of one asset without a payload, and what makes `blut` find it."""

from pathlib import Path

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import Stage, stage_asset
from tests import installed


class Line(Artifact):
    """A line of text."""

    kind = "neighbour.line"


@stage_asset(cookbook="neighbour", group="lines")
def line(stage: Stage) -> Line:
    """A line."""
    (stage.out / "line").write_text("a line")
    return Line()


RECIPE = Recipe("neighbour_line", "test", "One asset.", RecipeArgs, [line], Line, lambda args: {})


def cookbook() -> Cookbook:
    """What the entry point names."""
    return Cookbook("neighbour", [line], [RECIPE])


def install(directory: Path) -> str:
    """Make the cookbook one that `blut` finds when the returned directory is on the PYTHONPATH."""
    return installed.install(directory, "neighbour", __name__)
