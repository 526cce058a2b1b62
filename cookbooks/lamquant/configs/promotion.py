"""Defines the typed config of a promotion."""

from blut_assets.changes import ChangeArgs
from blut_assets.recipes import like
from blut_assets.stages import StageConfig


class PromotedCodecConfig(StageConfig):
    """Says what to call the codec that passed."""

    alias: str = like(ChangeArgs, "promote_as")
    allow_worse: str = like(ChangeArgs, "allow_worse")
    new_sealed: str = like(ChangeArgs, "new_sealed")
