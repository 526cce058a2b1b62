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


class GateVerdict(Artifact):
    """The judgement of exactly one candidate digest by one of the gates: ``verdict.json``.

    Figures are None where not everything could be measured.

    Attributes:
        candidate: digest of what was judged, and of no other.
        passed: whether every criterion was measured and met.
        n_failed_criteria: criteria missed or not measurable.
    """

    kind: ClassVar[str] = "lamquant.pccp_verdict"
    candidate: str
    passed: bool
    n_failed_criteria: int


class PccpVerdict(GateVerdict):
    """The gate's judgement of one joint codec.

    Figures are pooled (CR) or means over the test recordings, and those of the worst recording; None
    where not every recording could be measured.

    Attributes:
        grade: level of the LQS ladder that the worst recordings reach, or ``below``.
        cr: 16-bit samples over bitstream bytes, headers included, pooled.
        prd: %, error over the energy of the signal, mean.
        prdn: %, error over the variance of the signal, mean.
        r: correlation with the original, mean.
        snr_db: decibels, mean.
        worst_cr: of the recording with the least.
        worst_prdn: %, of the recording with the largest.
        worst_r: of the recording with the least.
        n_recordings: in the sealed test split.
        worst_part: in words, what has the least margin to its floor: patient, recording, channel, second.
    """

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
    worst_part: str = ""


class JointReport(Artifact):
    """The joint codecs of all partitions side by side: ``report.json``.

    Attributes:
        n_partitions: with a codec and its verdict.
        n_passed: that met every floor.
        worst_partition: the one with the largest error, or one that could not be measured.
        worst_prdn: %, of its worst recording; None where it could not be measured.
    """

    kind: ClassVar[str] = "lamquant.joint_report"
    n_partitions: int
    n_passed: int
    worst_partition: str
    worst_prdn: float | None


class SnnVerdict(GateVerdict):
    """The gate's judgement of one controller, by what it decided of patients it never saw.

    Attributes:
        event_sensitivity: share of seizures that an alarm overlaps.
        sensitivity_low: lower end of its 95 % interval.
        sensitivity_high: upper end of it.
        fa_per_h: alarms without a seizure, an hour.
        critical_share: of the time that is called critical.
        median_latency_s: seconds from an onset to the decision.
        auc: area under the ROC curve of frames.
        logistic_auc: of the logistic controller that was trained beside.
        energy_auc: of how loud the signal is.
        n_events: seizures in the sealed recordings.
        hours: of the sealed recordings that have labels.
    """

    event_sensitivity: float | None
    sensitivity_low: float | None
    sensitivity_high: float | None
    fa_per_h: float | None
    critical_share: float | None
    median_latency_s: float | None
    auc: float | None
    logistic_auc: float | None
    energy_auc: float | None
    n_events: int
    hours: float


class OracleVerdict(GateVerdict):
    """What a codec without limits would save on patients never seen, at equal PRDN: a report of headroom.

    Attributes:
        headroom_bits_pct: %, by how much its bytes are fewer than the joint codec's, over all recordings;
            negative where they are more.
        headroom_low_pct: lower end of the 95 % interval, by the bootstrap over blocks of ten seconds.
        headroom_high_pct: upper end.
        usable_as_teacher: whether the whole interval is above 0.
        cr: of its own files, pooled.
        worst_prdn: %, of its own files' worst recording.
        worst_r: of the same.
        n_recordings: with a headroom.
    """

    headroom_bits_pct: float | None
    headroom_low_pct: float | None
    headroom_high_pct: float | None
    usable_as_teacher: bool
    cr: float | None
    worst_prdn: float | None
    worst_r: float | None
    n_recordings: int


class DecoderVerdict(GateVerdict):
    """The judgement of one decoder: what it makes better of the same bytes, on patients never seen.

    Attributes:
        outcome: ``gain``, ``no gain``, ``worse on a recording`` or ``not measured``.
        gain_pct: %, by how much PRDN is less, mean over recordings and profiles.
        gain_full_pct: %, of files of profile full.
        gain_device_pct: %, of files of profile device.
        regression_pct: %, by how much the worst recording's PRDN is more; 0 where none is worse.
        prdn: %, of profile full, mean.
        shipped_prdn: %, of the same files by the codec's own decoder.
        device_prdn: %, of profile device, mean.
        device_shipped_prdn: %, of the same files by the codec's own decoder.
        n_recordings: measured.
    """

    outcome: str
    gain_pct: float | None
    gain_full_pct: float | None
    gain_device_pct: float | None
    regression_pct: float | None
    prdn: float | None
    shipped_prdn: float | None
    device_prdn: float | None
    device_shipped_prdn: float | None
    n_recordings: int


class PipelineVerdict(GateVerdict):
    """The gate's judgement of one codec whose bits follow states, on files of patients it never saw.

    Attributes:
        grade: level of the LQS ladder that the worst recordings reach as a whole, or ``below``.
        cr: 16-bit samples over bitstream bytes, headers included, pooled.
        rate_advantage: bytes of the best constant level over ours, at equal error in critical seconds.
        constant_level: the level of that.
        critical_prdn: %, error in critical seconds, each channel of each recording alike.
        critical_r: correlation in critical seconds.
        elsewhere_prdn: %, error in the other seconds that somebody has looked at.
        elsewhere_r: correlation there.
        detection_loss: share of seizures that are found in the originals and no more in what was decoded.
        fa_rise_pct: %, by how much false alarms rise in what was decoded.
        event_sensitivity: share of seizures that an alarm overlaps, in the originals.
        fa_per_h: alarms without a seizure, an hour.
        critical_share: of the time that was coded as critical.
        worst_cr: of the recording with the least.
        worst_prdn: %, of the recording with the largest.
        worst_r: of the recording with the least.
    """

    grade: str
    cr: float | None
    rate_advantage: float | None
    constant_level: float | None
    critical_prdn: float | None
    critical_r: float | None
    elsewhere_prdn: float | None
    elsewhere_r: float | None
    detection_loss: float | None
    fa_rise_pct: float | None
    event_sensitivity: float | None
    fa_per_h: float | None
    critical_share: float | None
    worst_cr: float | None
    worst_prdn: float | None
    worst_r: float | None
