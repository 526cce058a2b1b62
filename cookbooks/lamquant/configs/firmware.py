"""Defines typed configs of the encoder for a device. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from blut_assets.stages import StageConfig
from blut_resources.payload_kit.device import Device
from cookbooks.lamquant.codec.presets import PRESETS
from cookbooks.lamquant.configs.training import PresetName
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig

Target = Literal["host", "cortex-m33", "rp2350", "rv32"]


def _weight_bits(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 4 <= value <= 16:
        raise ValueError(
            "must be a whole number from 4 to 16; with ternary weights the network was measured to cost more"
            " bytes than a device saves"
        )
    return value


def _bits(value: Any) -> Any:
    if value is not None and (isinstance(value, bool) or value not in (16, 24)):
        raise ValueError("must be 16 or 24, what the converter gives")
    return value


Bits = Annotated[Any, AfterValidator(_bits)]
WeightBits = Annotated[Any, AfterValidator(_weight_bits)]


class HardenedCheckpointConfig(StageConfig):
    """Says how a trained codec is fitted to the integers of a device."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"fine_tune_epochs"})

    preset: PresetName = "production"
    weight_bits: WeightBits = Field(
        8,
        examples=list(range(4, 17)),
        description="bits of each weight that the device multiplies by, sign included",
    )
    fine_tune_epochs: int | None = Field(
        None, ge=0, le=100_000, description="of training with such weights; half the preset's if not given"
    )
    seed: int = Field(42, ge=0)
    lr: float | None = Field(None, gt=0, le=1)
    batch_size: int | None = Field(None, ge=1)
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    device: Device = "auto"
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    def planned_epochs(self) -> int | None:
        if self.fine_tune_epochs is not None:
            return self.fine_tune_epochs
        return PRESETS[self.preset].epochs // 2


class FirmwareBundleConfig(StageConfig):
    """Says what the C program is built for; what is not given follows from the recordings."""

    target: Target = Field("host", description="what it is compiled for, and measured on")
    channels: int | None = Field(
        None, ge=1, le=255, description="the most that it takes; those of the widest recording if not given"
    )
    rates_hz: list[float] = Field(
        default_factory=list, description="samples a second that it takes; those of the recordings if empty"
    )
    bits: Bits = Field(
        None,
        examples=[16, 24],
        description="of the converter; 24 if not given and a recording has more than 16",
    )
    hop: int | None = Field(
        None, ge=32, le=1024, description="samples from frame to frame; nearly a second if not given"
    )
    bins: int | None = Field(
        None, ge=8, le=1024, description="coefficients of a frame that are coded; all if not given"
    )
    max_ram_kib: int | None = Field(
        None, ge=8, description="KiB of RAM that chunk and, where it is not given, hop are chosen for"
    )


class DeviceVerdictConfig(PccpVerdictConfig):
    """Describes the change that is judged, and what the device has room for."""

    max_flash_kib: int = Field(512, ge=16, description="KiB of flash that code and tables may take")
    max_ram_kib: int = Field(64, ge=8, description="KiB of RAM that the encoder may keep")
