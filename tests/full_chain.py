"""A chain of download, preparation, training, export and registration, whose payloads write everywhere."""

from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_resources.registry import ModelRegistry

PAYLOAD = "tests.payloads.fills"
STAGES = ("downloaded", "prepared", "trained", "exported", "registered")


class Made(Artifact):
    """What a stage makes."""

    kind = "filling.made"


class TrainedConfig(StageConfig):
    """How long to train."""

    epochs: int = 5


def _payload(stage: Stage, above: Made | None = None, **config: Any) -> Steps[Made]:
    inputs = {"above": stage.open(above)} if above else {}
    given = {"stage": stage.spec.key.path[-1], **config}
    yield from stage.run(PAYLOAD, config=given, inputs=inputs)
    return Made()


@stage_asset(cookbook="filling", group="sources", payloads=[PAYLOAD])
def downloaded(stage: Stage) -> Steps[Made]:
    """Fetch."""
    return (yield from _payload(stage))


@stage_asset(cookbook="filling", group="corpus", payloads=[PAYLOAD])
def prepared(stage: Stage, downloaded: Made) -> Steps[Made]:
    """Prepare."""
    return (yield from _payload(stage, downloaded))


@stage_asset(cookbook="filling", group="training", payloads=[PAYLOAD])
def trained(stage: Stage, prepared: Made, config: TrainedConfig) -> Steps[Made]:
    """Train."""
    return (yield from _payload(stage, prepared, epochs=config.epochs))


@stage_asset(cookbook="filling", group="export", payloads=[PAYLOAD])
def exported(stage: Stage, trained: Made) -> Steps[Made]:
    """Export."""
    return (yield from _payload(stage, trained))


@stage_asset(cookbook="filling", group="promotion", payloads=[PAYLOAD], side_effect=True)
def registered(stage: Stage, exported: Made) -> Steps[Made]:
    """Make it a version in the registry."""
    made = yield from _payload(stage, exported)
    ModelRegistry(stage.store.root / "registry").register(
        "filling",
        candidate=exported.digest,
        inputs={},
        verdict=exported.digest,
        passed=False,
        floors=[],
        figures={},
        license="unknown",
        run=stage.context.run.run_id,
    )
    return made


class Args(RecipeArgs):
    """What the recipe takes."""

    epochs: int = 5


def _configure(args: Args) -> dict[str, StageConfig]:
    return {"trained": TrainedConfig(epochs=args.epochs)}


CHAIN = [downloaded, prepared, trained, exported, registered]
recipe = Recipe("filling", "test", "Write everywhere.", Args, CHAIN, Made, _configure)
defs = dg.Definitions(
    assets=CHAIN,
    jobs=[recipe.job()],
    resources={"blut_handles": HANDLES},
    executor=dg.in_process_executor,
)


def cookbook() -> Cookbook:
    """For `blut`, see `tests.installed`."""
    return Cookbook("filling", CHAIN, [recipe])
