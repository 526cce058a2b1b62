"""Declares ``lamquant_encoder``: train the codec, build its encoder in C, judge that, promote the bundle."""

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.artifacts.corpus import Recordings
from cookbooks.lamquant.artifacts.firmware import DeviceVerdict
from cookbooks.lamquant.configs.firmware import (
    DeviceVerdictConfig,
    FirmwareBundleConfig,
    HardenedCheckpointConfig,
    Target,
)
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.training import JointCheckpointConfig
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.firmware import firmware_bundle, hardened_checkpoint
from cookbooks.lamquant.floors import SHIPPED_DEVICE_REGISTRY, device_floors
from cookbooks.lamquant.promotion import promoted_device
from cookbooks.lamquant.recipes.args import CodecTrainingArgs, WindowsArgs
from cookbooks.lamquant.recipes.refusals import MEASURED_ON, JudgedOnSplit, refuse_what_the_gate_would
from cookbooks.lamquant.sources import recordings, registry_path, split_request
from cookbooks.lamquant.training import joint_checkpoint
from cookbooks.lamquant.verdicts.device import device_verdict


class EncoderArgs(JudgedOnSplit, WindowsArgs, CodecTrainingArgs):
    """Holds the args of ``lamquant_encoder``."""

    tier: Any = like(JointCheckpointConfig, "tier")
    weight_bits: Any = like(HardenedCheckpointConfig, "weight_bits")
    fine_tune_epochs: int | None = like(HardenedCheckpointConfig, "fine_tune_epochs")
    target: Target = like(FirmwareBundleConfig, "target")
    device_channels: int | None = like(FirmwareBundleConfig, "channels")
    device_rates_hz: list[float] = like(FirmwareBundleConfig, "rates_hz")
    bits: Any = like(FirmwareBundleConfig, "bits")
    hop: int | None = like(FirmwareBundleConfig, "hop")
    bins: int | None = like(FirmwareBundleConfig, "bins")
    max_flash_kib: int = like(DeviceVerdictConfig, "max_flash_kib")
    max_ram_kib: int = like(
        DeviceVerdictConfig,
        "max_ram_kib",
        description="KiB of RAM that the encoder may keep; chunk and hop are chosen for it",
    )
    mae_pretrain: bool = Field(
        False, description="changes nothing: true is refused, for the codec has no masked stage"
    )


def _configure(args: EncoderArgs) -> Mapping[str, StageConfig]:
    if args.mae_pretrain:
        raise ValueError(
            "mae_pretrain = True: the codec has no masked stage, its network is trained to predict the next"
            " value anyway: leave it out; lamquant_snn has one"
        )
    refuse_what_the_gate_would(args, registry_path(args.registry, SHIPPED_DEVICE_REGISTRY), "device")
    return {
        **args.windows_configs(),
        "joint_checkpoint": config_from(JointCheckpointConfig, args),
        "hardened_checkpoint": config_from(HardenedCheckpointConfig, args),
        "firmware_bundle": config_from(
            FirmwareBundleConfig, args, channels=args.device_channels, rates_hz=args.device_rates_hz
        ),
        "device_floors": config_from(FloorRegistryConfig, args),
        "device_verdict": config_from(DeviceVerdictConfig, args),
        "promoted_device": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


ENCODER = Recipe(
    name="lamquant_encoder",
    category="train",
    description="Train the codec, build an encoder in C for a device, judge the files that it writes.",
    args=EncoderArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(joint_checkpoint, hardened_checkpoint, firmware_bundle),
        *(device_floors, device_verdict, promoted_device),
    ],
    output=DeviceVerdict,
    configure=_configure,
    input_kinds=[Recordings.kind],
    metric=Metric(device_verdict, "worst_prdn", "lowest", only_if="passed", within=MEASURED_ON),
    demo="args_demo_encoder",
)
