"""A recipe with something to search: a training, and a check that refuses a loss that is too high."""

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Metric, Recipe, RecipeArgs
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset

PAYLOAD = "tests.payloads.searched"


class Searched(Artifact):
    """What the training leaves."""

    kind = "searched.model"
    final: float


class SearchedConfig(StageConfig):
    """How to train."""

    lr: float = 0.01
    epochs: int = 3
    word: str = "a"


@stage_asset(cookbook="searched", group="training", payloads=[PAYLOAD], footprint=Footprint(memory="64M"))
def model(stage: Stage, config: SearchedConfig) -> Steps[Searched]:
    """Train."""
    facts = yield from stage.run(PAYLOAD, config=config.for_payload(), inputs={})
    return Searched(final=facts["final"])


class Args(RecipeArgs):
    """What the recipe takes."""

    lr: float = 0.01
    epochs: int = 3
    word: str = "a"


def _configure(args: Args) -> dict[str, StageConfig]:
    return {"model": SearchedConfig(lr=args.lr, epochs=args.epochs, word=args.word)}


CHAIN: list[dg.AssetsDefinition] = [model]
METRIC = Metric(model, "final", "lowest")
recipe = Recipe("searched", "test", "Train.", Args, CHAIN, Searched, _configure, metric=METRIC)


def cookbook() -> Cookbook:
    """For `blut`, see `tests.installed`."""
    return Cookbook("searched", CHAIN, [recipe])
