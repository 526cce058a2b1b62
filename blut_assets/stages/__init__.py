"""Declares stage assets: this is the door for authors; the engine that computes or reuses is inside."""

from blut_assets.stages.declare import stage_asset
from blut_assets.stages.limits import Footprint
from blut_assets.stages.notices import Notice, Noticed, none_refused
from blut_assets.stages.spec import NotYet, StageConfig, Steps
from blut_assets.stages.stage import Stage

__all__ = [
    "Footprint",
    "NotYet",
    "Notice",
    "Noticed",
    "Stage",
    "StageConfig",
    "Steps",
    "none_refused",
    "stage_asset",
]
