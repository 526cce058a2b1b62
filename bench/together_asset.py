"""Materializes one training with as many threads as there are CPUs: ``together_asset SEED STEPS``."""

import json
import os
import sys
from typing import ClassVar

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_assets.stages.reuse import artifact_of
from blut_resources.instance.instance import open_instance


class Trained(Artifact):
    """What it came to, and when it was computed."""

    kind = "bench.trained"
    loss: float
    began: float
    ended: float


class TrainedConfig(StageConfig):
    """As a training has it."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed"})

    seed: int = 0
    steps: int = 1000
    threads: int = 1


@stage_asset(cookbook="bench", group="training", payloads=["bench.together_payload"])
def trained_together(stage: Stage, config: TrainedConfig) -> Steps[Trained]:
    """Train beside others."""
    given = config.for_payload()
    return Trained(**(yield from stage.run("bench.together_payload", config=given, inputs={})))


if __name__ == "__main__":
    wanted = {"seed": int(sys.argv[1]), "steps": int(sys.argv[2]), "threads": len(os.sched_getaffinity(0))}
    with open_instance() as instance:
        result = dg.materialize(
            [trained_together],
            instance=instance,
            resources={"blut_handles": HANDLES},
            run_config={"ops": {"bench__trained_together": {"config": wanted}}},
        )
    made = artifact_of(result.asset_materializations_for_node("bench__trained_together")[0], Trained)
    print(json.dumps({"began": made.began, "ended": made.ended}))
