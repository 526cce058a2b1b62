"""The nouns of the LamQuant cookbook. Every field is a fact measured on the bytes."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class Recordings(Artifact):
    """EDF/BDF files in a directory of the user's, listed and digested file by file, never copied."""

    kind: ClassVar[str] = "lamquant.recordings"
    n_files: int
    n_bytes: int


class LmaCorpus(Artifact):
    """One LMA1 archive per recording, plus ``corpus.json``.

    ``duration_s`` is summed over recordings; ``compression_ratio`` is 16-bit (or 24-bit for BDF)
    sample bytes over archive bytes.
    """

    kind: ClassVar[str] = "lamquant.lma_corpus"
    n_archives: int
    n_refused: int
    n_subjects: int
    n_samples: int
    duration_s: float
    compression_ratio: float
    identity: str
    synthetic: bool


class SplitManifest(Artifact):
    """Which subject, and so which recording, is trained on, validated on, or sealed for the gate."""

    kind: ClassVar[str] = "lamquant.split_manifest"
    n_train_subjects: int
    n_val_subjects: int
    n_test_subjects: int
    n_duplicate_groups: int
    n_excluded: int


class TrainingWindows(Artifact):
    """Train and validation windows as ``.npy`` files to be memory-mapped; the test split is not in it."""

    kind: ClassVar[str] = "lamquant.training_windows"
    n_train: int
    n_val: int
    window_s: float
    highpass_hz: float
    max_channels: int


class JointCkpt(Artifact):
    """Encoder and decoder trained together: ``model.safetensors`` and ``model.json``."""

    kind: ClassVar[str] = "lamquant.ckpt.joint"
    preset: str
    tier: int
    epochs: int
    parameters: int
    final_loss: float
    val_prdn: float
    val_r: float
    val_bits_per_sample: float


class FloorRegistry(Artifact):
    """The acceptance floors a candidate is judged by, as one YAML file."""

    kind: ClassVar[str] = "lamquant.floor_registry"
    model: str
    version: str


class PccpVerdict(Artifact):
    """The gate's judgement of exactly one candidate digest: ``verdict.json``.

    Figures are pooled (CR) or means over the test recordings, and those of the worst recording; None
    where not every recording could be measured.
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


class PromotedCodec(Artifact):
    """The record of one promotion, or of why none was made."""

    kind: ClassVar[str] = "lamquant.promoted_codec"
    alias: str
    candidate: str
    verdict: str
    promoted: bool
    reason: str
