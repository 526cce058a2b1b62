"""Defines the typed config of a codec that follows a controller."""

from typing import Literal

from pydantic import Field, field_validator

from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.configs.training import SnnCheckpointConfig

N_STATES, LOWEST, HIGHEST = 4, 8, 20


class AdaptiveCodecConfig(StageConfig):
    """Says at which levels states are coded, and how long they last."""

    levels: list[int] = Field(
        default_factory=lambda: [10, 12, 16, 19],
        description="of QUIET, BASELINE, INTERESTING and CRITICAL: four ascending whole numbers of 8 to 20",
    )
    hold_s: float = like(SnnCheckpointConfig, "hold_s")
    preroll_s: float = like(SnnCheckpointConfig, "preroll_s")
    failsafe_rms: float = like(SnnCheckpointConfig, "failsafe_rms")
    profile: Literal["full", "device"] = Field(
        "full", description="of the bitstreams: device is what a microcontroller writes, in one pass"
    )

    @field_validator("levels")
    @classmethod
    def _ascending(cls, levels: list[int]) -> list[int]:
        if (
            len(levels) != N_STATES
            or sorted(set(levels)) != levels
            or levels[0] < LOWEST
            or levels[-1] > HIGHEST
        ):
            raise ValueError(
                f"must be {N_STATES} ascending whole numbers of {LOWEST} to {HIGHEST}, such as 10, 12, 16, 19"
            )
        return levels
