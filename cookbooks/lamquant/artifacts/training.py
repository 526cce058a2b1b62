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
        final_loss: bits a value of the training crops that is coded, in the last epoch.
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
    final_loss: float
    val_prdn: float
    val_r: float
    val_bits_per_sample: float


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
