"""Defines what an encoder for a device is made of, and how it is judged."""

from typing import ClassVar

from blut_assets.artifacts import Artifact
from cookbooks.lamquant.artifacts.verdicts import GateVerdict


class HardenedCkpt(Artifact):
    """A trained codec whose network has few bits a weight: ``model.safetensors`` and ``model.json``.

    Attributes:
        source: digest of the checkpoint that it was made from.
        weight_bits: of each weight that a device multiplies by, sign included.
        epochs: of training with such weights.
        parameters: trained numbers of the context network.
        val_prdn: %, of the validation patients as a device codes them, on bytes coded and decoded.
        val_bits_per_sample: of those bitstreams.
        val_bits_vs_source_pct: %, by how much they are larger than the source's, coded in the same way.
    """

    kind: ClassVar[str] = "lamquant.ckpt.hardened"
    source: str
    weight_bits: int
    epochs: int
    parameters: int
    val_prdn: float
    val_bits_per_sample: float
    val_bits_vs_source_pct: float


class FirmwareBundle(Artifact):
    """An encoder in C99 for one target: fixed sources, generated tables, self test, and its checkpoint.

    Attributes:
        target: what it was compiled for.
        compiler: the first line that it says of itself.
        channels: the most that it takes.
        bits: of the converter.
        hop: samples from frame to frame.
        flash_bytes: code and tables, by ``size``.
        ram_bytes: what the encoder keeps, by ``size``.
        stack_bytes: of the deepest chain of calls, by the compiler.
        macs_per_sample: multiplications a sample and channel.
        latency_s: seconds from a sample to when its last frame is coded.
        selftest_vectors: signals that it encodes at boot, whose bytes are known.
        bit_exact: whether it was run, and wrote the bytes of its twin for all of them.
    """

    kind: ClassVar[str] = "lamquant.firmware_bundle"
    target: str
    compiler: str
    channels: int
    bits: int
    hop: int
    flash_bytes: int
    ram_bytes: int
    stack_bytes: int
    macs_per_sample: float
    latency_s: float
    selftest_vectors: int
    bit_exact: bool


class DeviceVerdict(GateVerdict):
    """The judgement of one firmware bundle, on the files that its compiled C program wrote.

    Attributes:
        grade: level of the LQS ladder that the worst recordings reach, or ``below``.
        cr: 16-bit samples over bitstream bytes, headers included, pooled.
        worst_cr: of the recording with the least.
        worst_prdn: %, of the recording with the largest.
        worst_r: of the recording with the least.
        cr_loss_pct: %, of CR that the device loses against its source coded by Python in the device profile,
            at equal PRDN.
        full_profile_pct: %, by how much the CR of the full profile is larger, at equal PRDN.
        flash_bytes: code and tables, measured again by the gate.
        ram_bytes: what the encoder keeps, measured again by the gate.
        stack_bytes: of the deepest chain of calls, measured again by the gate.
        n_bit_exact: recordings of which every byte is that of the integer twin.
        n_recordings: in the sealed test split, those that were measured.
        worst_part: in words, what has the least margin to its floor.
    """

    grade: str
    cr: float | None
    worst_cr: float | None
    worst_prdn: float | None
    worst_r: float | None
    cr_loss_pct: float | None
    full_profile_pct: float | None
    flash_bytes: float | None
    ram_bytes: float | None
    stack_bytes: float | None
    n_bit_exact: int
    n_recordings: int
    worst_part: str = ""
