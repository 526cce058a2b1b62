"""Assets around the scripted payload, also runnable as ``dagster asset materialize -m tests.scripted``."""

import json
import os
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, Steps, stage_asset
from blut_assets.stages.handles import HANDLES

PAYLOAD = "tests.payloads.scripted"
RESOURCES = {"blut_handles": HANDLES}


class Scripted(Artifact):
    """What the scripted payload leaves."""

    kind = "test.scripted"
    epochs: int


@stage_asset(cookbook="test", group="training", source=True)
def scripted(stage: Stage) -> Steps[Scripted]:
    """Run the payload with the config in $SCRIPT."""
    config: dict[str, Any] = json.loads(os.environ["SCRIPT"])
    facts = yield from stage.run(PAYLOAD, config=config, inputs={})
    (stage.out / "facts.json").write_text(json.dumps(facts))
    return Scripted(**facts)


defs = dg.Definitions(assets=[scripted], resources=RESOURCES, executor=dg.in_process_executor)
