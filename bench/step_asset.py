"""Materializes the timed training as an asset, so that it runs as every payload does: ``step_asset FILE``."""

import json
import sys
from pathlib import Path

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_assets.stages.reuse import artifact_of
from blut_resources.instance.instance import open_instance

GIVEN = json.loads(Path(sys.argv[1]).read_text()) if __name__ == "__main__" else {}


class Timing(Artifact):
    """Seconds per training step."""

    kind = "bench.timing"
    wall: float
    cpu: float
    steps: int


@stage_asset(cookbook="bench", group="training", source=True)
def timed_training(stage: Stage) -> Steps[Timing]:
    """Train and throw the result away; a source, so that nothing is reused."""
    windows = {"windows": Path(GIVEN["windows"])}
    facts = yield from stage.run(
        "bench.step_payload", config=GIVEN["config"], inputs=windows, work=stage.store.staging()
    )
    (stage.out / "timing.json").write_text(json.dumps(facts))
    return Timing(**facts)


if __name__ == "__main__":
    with open_instance() as instance:
        result = dg.materialize([timed_training], instance=instance, resources={"blut_handles": HANDLES})
    event = result.asset_materializations_for_node("bench__timed_training")[0]
    timing = artifact_of(event, Timing)  # type: ignore[arg-type]
    print(json.dumps({"wall": timing.wall, "cpu": timing.cpu, "steps": timing.steps}))
