"""A recipe of one asset that computes nothing, with a metric."""

from typing import Annotated

from blut_assets.artifacts import Artifact
from blut_assets.paths import AsPath
from blut_assets.recipes import Metric, Recipe, RecipeArgs
from blut_assets.stages import Stage, StageConfig, stage_asset


class Score(Artifact):
    """A score.

    Attributes:
        value: higher is better.
    """

    kind = "fixed.score"
    value: float


class ScoreConfig(StageConfig):
    """What it is made of."""

    lr: float
    words: Annotated[str, AsPath()] = ""
    note: str = ""


class Args(RecipeArgs):
    """The same."""

    lr: float
    words: Annotated[str, AsPath()] = ""
    note: str = ""


@stage_asset(cookbook="fixed", group="training", kinds={"text"})
def fixed_score(stage: Stage, config: ScoreConfig) -> Score:
    """Ten times the learning rate."""
    (stage.out / "score").write_text(f"{config.lr} {config.words} {config.note}")
    return Score(value=config.lr * 10)


def _configure(args: Args) -> dict[str, StageConfig]:
    return {"fixed_score": ScoreConfig(lr=args.lr, words=args.words, note=args.note)}


METRIC = Metric(fixed_score, "value", "highest")
RECIPE = Recipe("fixed_train", "train", "Toy.", Args, [fixed_score], Score, _configure, metric=METRIC)
