"""Defines typed configs of the trainings. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from blut_assets.stages import StageConfig
from blut_resources.payload_kit.device import Device
from cookbooks.lamquant.codec.presets import PRESETS

PresetName = Literal["smoke", "fast", "medium", "production"]
TIER_NAMES = (1, 2, 3, 4, "all")


def _tier(value: Any) -> Any:
    if isinstance(value, bool) or value not in TIER_NAMES:
        raise ValueError("must be 1, 2, 3, 4 or all")
    return value


Tier = Annotated[Any, AfterValidator(_tier)]


class JointCheckpointConfig(StageConfig):
    """Says how the codec is trained; what is not given comes from the preset."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    preset: PresetName = "production"
    tier: Tier = Field(
        3,
        examples=[*TIER_NAMES],
        description="1 is the smallest bitstream, 4 the best quality; all is judged at each and codes at 3",
    )
    seed: int = Field(42, ge=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0, le=1)
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    device: Device = "auto"
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    def planned_epochs(self) -> int | None:
        return self.epochs or PRESETS[self.preset].epochs
