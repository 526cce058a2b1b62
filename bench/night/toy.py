"""The cookbook of the night: one source, and one training that waits for its epochs."""

from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs, config_from
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset

PAYLOAD = "bench.night.payload"


class Lesson(Artifact):
    """What there is to learn."""

    kind = "night.lesson"


class NightModel(Artifact):
    """What was learned."""

    kind = "night.model"
    epochs: int


class NightModelConfig(StageConfig):
    """Says which training it is, and how long it takes."""

    DURATION = frozenset({"epochs"})

    name: str = ""
    epochs: int = 8
    epoch_s: float = 0.5


@stage_asset(cookbook="night", group="sources", source=True)
def lesson(stage: Stage) -> Lesson:
    """Write a line."""
    (stage.out / "lesson.txt").write_text("what there is to learn\n")
    return Lesson()


@stage_asset(
    cookbook="night", group="training", payloads=[PAYLOAD], footprint=Footprint(memory="64M", cpus=0)
)
def night_model(stage: Stage, lesson: Lesson, config: NightModelConfig) -> Steps[NightModel]:
    """Train."""
    given = {"name": config.name, "epochs": config.epochs, "epoch_s": config.epoch_s}
    facts = yield from stage.run(PAYLOAD, config=given, inputs={"lesson": stage.open(lesson)})
    return NightModel(epochs=facts["epochs"])


class NightArgs(RecipeArgs):
    """What the recipe takes."""

    name: str = ""
    epochs: int = 8
    epoch_s: float = 0.5


def _configure(args: NightArgs) -> dict[str, StageConfig]:
    return {"night_model": config_from(NightModelConfig, args)}


ASSETS = [lesson, night_model]
RECIPE = Recipe("night", "night", "Train through a night.", NightArgs, ASSETS, NightModel, _configure)


def cookbook() -> Cookbook:
    """For `blut`, which finds it by its entry point."""
    return Cookbook("night", ASSETS, [RECIPE])
