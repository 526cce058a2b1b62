"""An asset whose payload takes as much of this machine as it is told."""

from typing import ClassVar

from blut_assets.artifacts import Artifact
from blut_assets.stages import Footprint, Stage, StageConfig, Steps, stage_asset

HOGS = "tests.payloads.hogs"


class Hogged(Artifact):
    """When its payload worked."""

    kind = "test.hogged"
    when: list[float]


class HogConfig(StageConfig):
    """What it takes; as long as it holds it."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed", "hold_s"})

    seed: int = 0
    mib: int = 8
    threads: int = 1
    hold_s: float = 0.0


@stage_asset(cookbook="test", group="training", payloads=[HOGS], footprint=Footprint(memory="64M"))
def hog(stage: Stage, config: HogConfig) -> Steps[Hogged]:
    """Takes and holds."""
    return Hogged(**(yield from stage.run(HOGS, config=config.for_payload(), inputs={})))
