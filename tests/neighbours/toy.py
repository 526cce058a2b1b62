"""A cookbook of one asset without a payload, and what makes `blut` find it."""

from pathlib import Path

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import Stage, stage_asset


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
    info = directory / "neighbour-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: neighbour\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nneighbour = tests.neighbours.toy:cookbook\n")
    return str(directory)
