"""A training whose losses are given, run in this process, and what its run leaves behind."""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_resources.instance.instance import open_instance
from blut_resources.runs import manifest, metrics, status
from blut_resources.runs.files import manifest_path, metrics_files, status_path
from tests.scripted import RESOURCES

PAYLOAD = "tests.payloads.diverges"
ASSET = "test/losses"


class LossesConfig(StageConfig):
    """The losses, as JSON, by epoch."""

    losses: str = '["1", "0.5", "0.25"]'
    seed: int = 7
    lingers: float = 0.0  # seconds that it takes when it is done


class Losses(Artifact):
    kind = "test.losses"
    epochs: int


@stage_asset(cookbook="test", group="training", payloads=[PAYLOAD])
def losses(stage: Stage, config: LossesConfig) -> Steps[Losses]:
    """Train with these losses."""
    given = {"losses": json.loads(config.losses), "lingers": config.lingers}
    facts = yield from stage.run(PAYLOAD, config=given, inputs={})
    (stage.out / "losses").write_text(config.losses)
    return Losses(**facts)


def train(**config: Any) -> dg.ExecuteInProcessResult:
    """Materialize it in the instance of $DAGSTER_HOME."""
    if "losses" in config:
        config["losses"] = json.dumps([str(loss) for loss in config["losses"]])
    run_config = {"ops": {"test__losses": {"config": config}}}
    with open_instance() as instance:
        return dg.materialize(
            [losses], resources=RESOURCES, instance=instance, run_config=run_config, raise_on_error=False
        )


class Left:
    """What a run has left in its directory."""

    def __init__(self, run_id: str, home: Path | None = None) -> None:
        self.run_id, self._home = run_id, home or Path(os.environ["DAGSTER_HOME"])

    @property
    def manifest(self) -> dict[str, Any]:
        return manifest.read(manifest_path(self._home, self.run_id))

    @property
    def events(self) -> list[dict[str, Any]]:
        return list(status.read(status_path(self._home, self.run_id)))

    def kinds(self) -> list[str]:
        return [event["kind"] for event in self.events]

    def rows(self, asset: str = ASSET) -> list[dict[str, Any]]:
        return metrics.read(metrics_files(self._home, self.run_id)[asset])
