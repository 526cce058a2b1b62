"""An asset that counts how often it is computed, for machines that share a remote."""

from typing import Any

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import StageConfig, stage_asset
from tests.scripted import RESOURCES

COUNTED: list[str] = []


class Sentence(Artifact):
    """A few words."""

    kind = "test.sentence"


class SentenceConfig(StageConfig):
    """What it says."""

    text: str = "a"


@stage_asset(cookbook="far", group="lines")
def sentence(stage, config: SentenceConfig) -> Sentence:
    """A few words."""
    COUNTED.append(config.text)
    (stage.out / "line").write_text(config.text)
    return Sentence()


def run(instance: dg.DagsterInstance, **config: Any) -> dg.AssetMaterialization:
    """Materialize it: what it reported."""
    ops = {"ops": {"far__sentence": {"config": config}}}
    result = dg.materialize([sentence], resources=RESOURCES, instance=instance, run_config=ops)
    (event,) = result.asset_materializations_for_node("far__sentence")
    return event


def said(instance: dg.DagsterInstance) -> str:
    """What the newest run has told its readers."""
    (newest,) = instance.get_runs(limit=1)
    return "\n".join(entry.user_message for entry in instance.all_logs(newest.run_id))
