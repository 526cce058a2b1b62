"""Fits a trained codec to a device, and builds what it runs: C sources, tables and a self test."""

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, TrainingWindows
from cookbooks.lamquant.artifacts.firmware import FirmwareBundle, HardenedCkpt
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.configs.firmware import FirmwareBundleConfig, HardenedCheckpointConfig

CHECKPOINT_HARDEN = "cookbooks.lamquant.payload.checkpoint_harden"
FIRMWARE_BUILD = "cookbooks.lamquant.payload.firmware_build"
SOURCES = "device/firmware/*"
"""The reviewed C, which is copied into each bundle as it stands."""


@stage_asset(
    cookbook="lamquant",
    group="training",
    payloads=[CHECKPOINT_HARDEN],
    headline=["weight_bits", "val_prdn", "val_bits_vs_source_pct"],
    kinds={"pytorch", "safetensors"},
    footprint=Footprint(memory="2G", gpus="any"),
)
def hardened_checkpoint(
    stage: Stage,
    joint_checkpoint: JointCkpt,
    training_windows: TrainingWindows,
    config: HardenedCheckpointConfig,
) -> Steps[HardenedCkpt]:
    """The joint codec with few bits a weight, trained on with the integers that a device computes with.

    It is a checkpoint like any other: whatever decodes the joint codec's files decodes its files. Resumes
    from the last finished epoch when a training with the same fingerprint was killed.
    """
    facts = yield from stage.run(
        CHECKPOINT_HARDEN,
        config={**config.for_payload(), "source_digest": joint_checkpoint.digest},
        inputs={"checkpoint": stage.open(joint_checkpoint), "windows": stage.open(training_windows)},
        gpus=0 if config.device == "cpu" else None,
    )
    return HardenedCkpt(**facts)


@stage_asset(
    cookbook="lamquant",
    group="firmware",
    payloads=[FIRMWARE_BUILD],
    data=[SOURCES],
    headline=["target", "flash_bytes", "ram_bytes", "bit_exact"],
    kinds={"c"},
    footprint=Footprint(cpus=1),
)
def firmware_bundle(
    stage: Stage,
    hardened_checkpoint: HardenedCkpt,
    lma_corpus: LmaCorpus,
    training_windows: TrainingWindows,
    config: FirmwareBundleConfig,
) -> Steps[FirmwareBundle]:
    """An encoder in C99 without heap, floating point or library, its tables made from the checkpoint.

    It is compiled for the target, measured, and its self test is run: here, or in an emulator of the target.
    The checkpoint that decodes its files lies in it.
    """
    facts = yield from stage.run(
        FIRMWARE_BUILD,
        config=config.fingerprinted(),
        inputs={
            "checkpoint": stage.open(hardened_checkpoint),
            "corpus": stage.open(lma_corpus),
            "windows": stage.open(training_windows),
        },
    )
    return FirmwareBundle(**facts)
