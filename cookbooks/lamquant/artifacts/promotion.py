"""Defines the record of a promotion."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class PromotedCodec(Artifact):
    """The record of one promotion, or of why none was made.

    Attributes:
        alias: ``name@alias`` that was asked for; empty if none was.
        candidate: digest of the checkpoint.
        verdict: digest of the verdict that it rests on.
        promoted: whether the alias names this candidate now because of it.
        reason: in words.
    """

    kind: ClassVar[str] = "lamquant.promoted_codec"
    alias: str
    candidate: str
    verdict: str
    promoted: bool
    reason: str
