"""Defines what joins a codec and a controller."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class AdaptiveCodec(Artifact):
    """A codec and the controller that steers it: what an encoder needs whose bits follow states.

    A decoder needs the codec alone, so the artifact is one. Figures are of the validation patients, in the
    bytes of profile ``device``.

    Attributes:
        model: of the controller: ssm, lif or logistic.
        levels: of QUIET, BASELINE, INTERESTING and CRITICAL.
        profile: of the bitstreams.
        val_rate_advantage: bytes of the best constant level over those along the states, at equal error in
            critical seconds.
        val_critical_prdn: %, the error in critical seconds.
        val_critical_share: of the time, as it is coded.
        preroll_bytes: that a device holds back for the pre-roll, at 16 bits a sample.
    """

    kind: ClassVar[str] = "lamquant.adaptive_codec"
    model: str
    levels: list[int]
    profile: str
    val_rate_advantage: float
    val_critical_prdn: float
    val_critical_share: float
    preroll_bytes: int
