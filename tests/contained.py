"""A source, a training that resumes, and what is made of it; a cookbook of its own for the command line."""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.alive import hold_run
from sensors.reaper import reaper

PAYLOAD = "tests.payloads.trains"
FOOTPRINT = Footprint(memory=os.environ.get("TRAINS_FOOTPRINT"))
RESOURCES = {"blut_handles": HANDLES}


class Raw(Artifact):
    """Bytes from outside."""

    kind = "contained.raw"


class Trained(Artifact):
    """What the training leaves."""

    kind = "contained.trained"
    epochs: int


class Judged(Artifact):
    """A word about it."""

    kind = "contained.judged"


class TrainedConfig(StageConfig):
    """How long to train, what to say on the way, and what to ask of the machine."""

    HOW = frozenset({"word", "gpus", "workers", "batch_bytes"})
    COST_NEUTRAL = frozenset({"word"})
    DURATION = frozenset({"epochs"})

    epochs: int = 3
    word: str = ""
    gpus: int = 0
    workers: int = 0
    batch_bytes: int = 0


@stage_asset(cookbook="contained", group="sources", source=True)
def raw(stage: Stage) -> Raw:
    """The text in $TRAINS_INPUT."""
    (stage.out / "raw").write_text(os.environ.get("TRAINS_INPUT", "raw"))
    return Raw()


def _train(stage: Stage, raw: Raw, config: TrainedConfig) -> Steps[Trained]:
    given = {"epochs": config.epochs, "word": config.word, "name": stage.spec.key.path[-1]}
    asked = {"gpus": config.gpus, "workers": config.workers, "batch_bytes": config.batch_bytes}
    facts = yield from stage.run(PAYLOAD, config=given, inputs={"raw": stage.open(raw)}, **asked)
    return Trained(epochs=facts["epochs"])


@stage_asset(cookbook="contained", group="training", payloads=[PAYLOAD], footprint=FOOTPRINT)
def trained(stage: Stage, raw: Raw, config: TrainedConfig) -> Steps[Trained]:
    """Train."""
    return (yield from _train(stage, raw, config))


@stage_asset(cookbook="contained", group="training", payloads=[PAYLOAD], footprint=FOOTPRINT)
def rival(stage: Stage, raw: Raw, config: TrainedConfig) -> Steps[Trained]:
    """Train as well."""
    return (yield from _train(stage, raw, config))


@stage_asset(cookbook="contained", group="verdict")
def judged(stage: Stage, trained: Trained) -> Judged:
    """Say what became of it."""
    (stage.out / "word").write_text((stage.open(trained) / "model").read_text()[:8])
    return Judged()


class Args(RecipeArgs):
    """What the recipe takes."""

    epochs: int = 3
    word: str = ""


def _configure(args: Args) -> dict[str, StageConfig]:
    by_dagster = getattr(signal.getsignal(signal.SIGINT), "__module__", "") == "dagster._utils.interrupts"
    if by_dagster and "INTERRUPTED_CONFIG" in os.environ:
        os.kill(os.getpid(), signal.SIGTERM)
    return {"trained": TrainedConfig(epochs=args.epochs, word=args.word)}


@dg.asset(key_prefix="contained", pool="one-at-a-time")
def pooled(context: dg.AssetExecutionContext) -> None:
    """No stage: takes a slot of a pool and sits there."""
    with hold_run(context):
        Path(os.environ["TRAINS_POOLED"]).touch()
        time.sleep(300)


CHAIN = [raw, trained, judged]
recipe = Recipe("contained", "test", "Train and judge.", Args, CHAIN, Judged, _configure)
patient = dg.define_asset_job(
    "patient",
    selection=dg.AssetSelection.assets(raw.key, trained.key),
    op_retry_policy=dg.RetryPolicy(max_retries=2),
)
defs = dg.Definitions(
    assets=[*CHAIN, rival, pooled],
    jobs=[recipe.job(), patient],
    sensors=[reaper],
    resources=RESOURCES,
    executor=dg.in_process_executor,
)


def cookbook() -> Cookbook:
    """For `blut`, see `tests.installed`."""
    return Cookbook("contained", CHAIN, [recipe])
