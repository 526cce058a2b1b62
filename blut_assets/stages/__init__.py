"""Stage assets: how they are declared, what a stage function gets, and the engine that computes or reuses."""

from blut_assets.stages.declare import stage_asset

__all__ = ["stage_asset"]
