"""Trains: one checkpoint per asset, each in a process of its own."""

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from cookbooks.lamquant.artifacts.corpus import TrainingWindows
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.configs.training import JointCheckpointConfig

JOINT_TRAIN = "cookbooks.lamquant.payload.joint_train"


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[JOINT_TRAIN],
    headline=["epochs", "parameters", "val_prdn"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G", gpus="any"),
)
def joint_checkpoint(
    stage: Stage, training_windows: TrainingWindows, config: JointCheckpointConfig
) -> Steps[JointCkpt]:
    """The probability model of the joint codec, trained on the integers that its own quantiser chooses.

    Resumes from the last finished epoch when a training with the same fingerprint was killed.
    """
    facts = yield from stage.run(
        JOINT_TRAIN,
        config=config.for_payload(),
        inputs={"windows": stage.open(training_windows)},
        gpus=0 if config.device == "cpu" else None,
    )
    return JointCkpt(**facts)
