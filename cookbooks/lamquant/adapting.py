"""Joins a codec and a controller into one that spends bits where the controller sees what matters."""

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from cookbooks.lamquant.artifacts.corpus import LmaCorpus
from cookbooks.lamquant.artifacts.labels import SnnLabels
from cookbooks.lamquant.artifacts.pipeline import AdaptiveCodec
from cookbooks.lamquant.artifacts.training import JointCkpt, SnnCkpt
from cookbooks.lamquant.configs.adapting import AdaptiveCodecConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.labels.store import FIT

PIPELINE_CHOOSE = "cookbooks.lamquant.payload.pipeline_choose"


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[PIPELINE_CHOOSE],
    headline=["model", "val_rate_advantage", "val_critical_prdn", "val_critical_share"],
    kinds={"safetensors"},
    footprint=Footprint(cpus=1),
)
def adaptive_codec(
    stage: Stage,
    joint_checkpoint: JointCkpt,
    snn_checkpoint: SnnCkpt,
    lma_corpus: LmaCorpus,
    activity_labels: SnnLabels,
    config: AdaptiveCodecConfig,
) -> Steps[AdaptiveCodec]:
    """A codec for all levels and the controller that steers it, as one artifact.

    From which scores on frames are fine is chosen on validation patients, by bytes at equal error in their
    critical seconds. No label of a sealed patient is an input.
    """
    facts = yield from stage.run(
        PIPELINE_CHOOSE,
        config=config.fingerprinted(),
        inputs={
            "codec": stage.open(joint_checkpoint),
            "controller": stage.open(snn_checkpoint),
            **corpus_inputs(stage, lma_corpus),
            "labels": stage.open(activity_labels) / FIT,
        },
    )
    return AdaptiveCodec(**facts)
