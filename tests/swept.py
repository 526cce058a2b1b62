"""A corpus that all trials share, a training whose args decide how it ends, and a gate; for sweeps."""

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Metric, Recipe, RecipeArgs
from blut_assets.retrying import gate_check
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset

PAYLOAD = "tests.payloads.swept"


class Shared(Artifact):
    """What every trial learns from."""

    kind = "swept.shared"


class Model(Artifact):
    """What a trial leaves."""

    kind = "swept.model"
    loss: float
    score: int


class SharedConfig(StageConfig):
    """How long it takes."""

    seconds: float = 0.0


class ModelConfig(StageConfig):
    """How a training goes."""

    HOW = frozenset({"gpus"})

    lr: float = 0.1
    seed: int = 0
    width: int = 1
    mood: str = "well"
    seconds: float = 0.0
    gpus: int = 0


@stage_asset(cookbook="swept", group="corpus", payloads=[PAYLOAD])
def shared(stage: Stage, config: SharedConfig) -> Steps[Shared]:
    """A corpus."""
    yield from stage.run(PAYLOAD, config={"name": "shared", "seconds": config.seconds}, inputs={})
    return Shared()


@stage_asset(cookbook="swept", group="training", payloads=[PAYLOAD], footprint=Footprint(cpus=1))
def model(stage: Stage, shared: Shared, config: ModelConfig) -> Steps[Model]:
    """A model."""
    given = {"name": "model", **config.for_payload()}
    inputs = {"shared": stage.open(shared)}
    facts = yield from stage.run(PAYLOAD, config=given, inputs=inputs, gpus=config.gpus)
    return Model(**facts)


@gate_check(asset=model, name="fit", description="Whether it is fit.")
def fit(context: dg.AssetCheckExecutionContext, model: Model) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=model.score >= 0, description="a floor was missed")


class Args(RecipeArgs):
    """What the recipe takes."""

    lr: float = 0.1
    seed: int = 0
    width: int = 1
    mood: str = "well"
    corpus_s: float = 0.0
    seconds: float = 0.0
    gpus: int = 0


def _configure(args: Args) -> dict[str, StageConfig]:
    trained = {name: getattr(args, name) for name in ("lr", "seed", "width", "mood", "seconds", "gpus")}
    return {"shared": SharedConfig(seconds=args.corpus_s), "model": ModelConfig(**trained)}


CHAIN = [shared, model]
recipe = Recipe(
    "swept",
    "test",
    "Learn from a corpus.",
    Args,
    CHAIN,
    Model,
    _configure,
    metric=Metric(model, "loss", "lowest"),
)


def cookbook() -> Cookbook:
    """For `blut`, see `tests.installed`."""
    return Cookbook("swept", CHAIN, [recipe], checks=[fit])
