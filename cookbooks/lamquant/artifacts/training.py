"""Defines what trainings leave."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class JointCkpt(Artifact):
    """What encoder and decoder share, as it was trained: ``model.safetensors`` and ``model.json``.

    Attributes:
        preset: size and length of the training: smoke, fast, medium or production.
        tier: 1 is the smallest bitstream, 4 the best quality; all was judged at each.
        epochs: finished, those before a resume included.
        parameters: trained numbers of the context network.
        final_loss: bits a value of the training crops that is coded, in the last epoch; None of a codec
            that was there already and does not say.
        val_prdn: %, the verdict's PRDN on bytes coded and decoded, but of the high-passed windows of the
            validation patients: mean over recordings; lower is better.
        val_r: the verdict's R, on the same; 1 is perfect.
        val_bits_per_sample: of the bitstream, on the same.
    """

    kind: ClassVar[str] = "lamquant.ckpt.joint"
    preset: str
    tier: int | str
    epochs: int
    parameters: int
    final_loss: float | None
    val_prdn: float
    val_r: float
    val_bits_per_sample: float


class MaeCkpt(Artifact):
    """A controller's trunk that was trained without labels, or a note that none was wanted.

    Attributes:
        trained: whether there is one.
        preset: size and length of the training.
        epochs: finished, those before a resume included.
        parameters: trained numbers.
        val_masked_loss: squared error in hidden frames of the validation patients, in variances.
        val_baseline_loss: of the better of two guesses, the last frame seen and the mean; it is larger.
    """

    kind: ClassVar[str] = "lamquant.ckpt.mae"
    trained: bool
    preset: str
    epochs: int = 0
    parameters: int = 0
    val_masked_loss: float | None = None
    val_baseline_loss: float | None = None


class SnnCkpt(Artifact):
    """A controller as it ships, in integers, and the logistic one that was trained beside it.

    Figures are of the validation patients, decided by the integers.

    Attributes:
        model: ssm, lif or logistic.
        preset: size and length of the training: smoke, fast, medium or production.
        epochs: finished, those before a resume included.
        parameters: trained numbers.
        int8_bytes: of the arrays that decide.
        macs_per_frame: multiplications.
        final_loss: in the last epoch.
        val_auc: area under the ROC curve of frames.
        val_auc_logistic: of the logistic one.
        val_event_sensitivity: share of seizures that an alarm overlaps, at the chosen threshold.
        val_fa_per_h: alarms without a seizure, an hour, at the same.
        val_estimated_rate_advantage: bits of the best constant level over those that its states would take,
            by a coarse estimate; a gate measures it.
        spike_rate: share of units that fire; None where nothing spikes.
    """

    kind: ClassVar[str] = "lamquant.ckpt.snn"
    model: str
    preset: str
    epochs: int
    parameters: int
    int8_bytes: int
    macs_per_frame: int
    final_loss: float
    val_auc: float
    val_auc_logistic: float
    val_event_sensitivity: float
    val_fa_per_h: float
    val_estimated_rate_advantage: float | None = None
    spike_rate: float | None = None


class TeacherCkpt(Artifact):
    """A codec without a device's limits, to measure by: as a joint codec's, with ``decoder/`` beside.

    Attributes:
        preset: size and length of the training: smoke, fast, medium or production.
        epochs: finished, of the codec.
        parameters: trained numbers of its context network.
        decoder_parameters: those of the network that refines what its files decode to.
        val_prdn: %, as of the joint codec, without that decoder.
        val_bits_per_sample: of the bitstream, on the validation recordings.
        headroom_bits_pct: %, by how much that is less than the joint codec's at equal noise ratio; negative
            where it is more.
    """

    kind: ClassVar[str] = "lamquant.ckpt.teacher"
    preset: str
    epochs: int
    parameters: int
    decoder_parameters: int
    val_prdn: float
    val_bits_per_sample: float
    headroom_bits_pct: float


class DecoderCkpt(Artifact):
    """A better decoder for the files of one codec: ``refine.safetensors`` and ``refine.json``.

    Attributes:
        preset: size and length of the training: smoke, fast, medium or production.
        for_encoder: SHA-256 of the weights of the codec whose files it decodes.
        epochs: finished, those before a resume included.
        parameters: trained numbers.
        val_prdn: %, of validation files of profile full, mean over recordings; lower is better.
        val_prdn_shipped: %, of the same files by the codec's own decoder.
        val_prdn_device: %, of files of profile device.
        val_prdn_device_shipped: %, of these by the codec's own decoder.
        teacher_parameters: of the context network that learned in the same pass; it lies in ``teacher/``.
        teacher_bits_per_sample: code length of its static tables on the validation recordings.
        shared_pass_saved_pct: %, of the time of two passes, that one for both took less.
    """

    kind: ClassVar[str] = "lamquant.ckpt.decoder"
    preset: str
    for_encoder: str
    epochs: int
    parameters: int
    val_prdn: float
    val_prdn_shipped: float
    val_prdn_device: float
    val_prdn_device_shipped: float
    teacher_parameters: int | None = None
    teacher_bits_per_sample: float | None = None
    shared_pass_saved_pct: float | None = None
