"""Defines the judgements of the gates, and the floors that they judge by."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class FloorRegistry(Artifact):
    """The acceptance floors a candidate is judged by, as one YAML file.

    Attributes:
        model: the registered model that the floors are for.
        version: of the registry, by its author.
    """

    kind: ClassVar[str] = "lamquant.floor_registry"
    model: str
    version: str


class PccpVerdict(Artifact):
    """The gate's judgement of exactly one candidate digest: ``verdict.json``.

    Figures are pooled (CR) or means over the test recordings, and those of the worst recording; None
    where not every recording could be measured.

    Attributes:
        candidate: digest of the checkpoint that was judged, and of no other.
        passed: whether every criterion was measured and met.
        grade: level of the LQS ladder that the worst recordings reach, or ``below``.
        cr: 16-bit samples over bitstream bytes, headers included, pooled.
        prd: %, error over the energy of the signal, mean.
        prdn: %, error over the variance of the signal, mean.
        r: correlation with the original, mean.
        snr_db: decibels, mean.
        worst_cr: of the recording with the least.
        worst_prdn: of the recording with the largest.
        worst_r: of the recording with the least.
        n_recordings: in the sealed test split.
        n_failed_criteria: criteria missed or not measurable.
        worst_part: in words, what has the least margin to its floor: patient, recording, channel, second.
    """

    kind: ClassVar[str] = "lamquant.pccp_verdict"
    candidate: str
    passed: bool
    grade: str
    cr: float | None
    prd: float | None
    prdn: float | None
    r: float | None
    snr_db: float | None
    worst_cr: float | None
    worst_prdn: float | None
    worst_r: float | None
    n_recordings: int
    n_failed_criteria: int
    worst_part: str = ""
