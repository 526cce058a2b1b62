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
