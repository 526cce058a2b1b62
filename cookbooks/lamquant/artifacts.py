"""Defines the nouns of the LamQuant cookbook. Every field is a fact measured on the bytes."""

from typing import ClassVar

from pydantic import Field

from blut_assets.artifacts import Artifact


class Recordings(Artifact):
    """Recordings in directories of the user's, listed and digested file by file, never copied.

    Attributes:
        n_files: EDF and BDF files, and archives.
        n_bytes: their sizes added.
        n_passed_over: files that look like recordings and cannot be read as one; the page names them.
        roots: name, kind (``edf`` or ``lma``) and digest of each directory, where there are several or one
            has archives; the digest of an only one with EDF files is the artifact's.
    """

    kind: ClassVar[str] = "lamquant.recordings"
    n_files: int
    n_bytes: int
    n_passed_over: int = 0
    roots: list[dict[str, str]] = Field(default_factory=list)

    def each_root(self) -> list[dict[str, str]]:
        """Returns name, kind and digest of each directory; the name of an only one is empty."""
        return self.roots or [{"name": "", "kind": "edf", "digest": self.digest}]


class LmaCorpus(Artifact):
    """One LMA1 archive per recording, plus ``corpus.json``.

    Attributes:
        n_archives: recordings that were encoded, one archive each.
        n_refused: recordings that could not be read; ``corpus.json`` has file, field and remedy.
        n_subjects: different patients, by directory or file name.
        n_samples: over all channels of all recordings.
        duration_s: seconds, summed over recordings.
        compression_ratio: 16-bit (24-bit for BDF) sample bytes over archive bytes; lossless.
        identity: ``stripped`` or ``kept``: whether names, codes and birth dates of patients are in it.
        synthetic: whether any of the recordings is made up; no quality is to be judged on those.
        sources: digests of the directories outside whose archives it lists, by name.
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
    sources: dict[str, str] = Field(default_factory=dict)


class SplitRequest(Artifact):
    """What the user's files say of the split: who is who, and who is on which side; ``request.json``.

    Attributes:
        n_sides: subjects and recordings that a manifest puts on a side; 0 where the split is drawn.
        n_stated: recordings and directories whose subject is stated.
        manifest: digest of what the manifest says, the same in every form of writing; empty without one.
    """

    kind: ClassVar[str] = "lamquant.split_request"
    n_sides: int
    n_stated: int
    manifest: str


class AnnotationFiles(Artifact):
    """Lists of annotations beside recordings, digested file by file, never copied.

    Attributes:
        n_files: lists.
        roots: name and digest of those beside each directory of EDF files, where there are several roots.
    """

    kind: ClassVar[str] = "lamquant.annotation_files"
    n_files: int
    roots: list[dict[str, str]] = Field(default_factory=list)


class Annotations(Artifact):
    """What people have marked in the recordings of a corpus: ``annotations.json``.

    Of each event it has class, onset, duration and source; no text leaves its source.

    Attributes:
        n_annotated: recordings, and segments of them, of which somebody has said something.
        n_unannotated: those of which nobody has; that does not make them quiet.
        n_refused: those whose sources cannot be trusted; ``annotations.json`` says why.
        n_events: events that are kept.
        n_dropped: events outside of their recording, or in a gap of it.
        n_unknown_texts: different texts that the vocabulary does not know.
        classes: events by class.
        sources: annotated recordings by the source that was used.
        events_by_source: events by source.
        hours: of the annotated recordings.
    """

    kind: ClassVar[str] = "lamquant.annotations"
    n_annotated: int
    n_unannotated: int
    n_refused: int
    n_events: int
    n_dropped: int
    n_unknown_texts: int
    classes: dict[str, int]
    sources: dict[str, int]
    events_by_source: dict[str, int]
    hours: float


class SplitManifest(Artifact):
    """Which subject, and so which recording, is trained on, validated on, or sealed for the gate.

    Attributes:
        n_train_subjects: patients to train on.
        n_val_subjects: patients to choose the best epoch by.
        n_test_subjects: patients whom only the gate sees.
        n_duplicate_groups: groups of recordings that share content; each is on one side.
        n_excluded: recordings on no side.
        n_by_names_only: patients known by nothing but names of files and directories.
    """

    kind: ClassVar[str] = "lamquant.split_manifest"
    n_train_subjects: int
    n_val_subjects: int
    n_test_subjects: int
    n_duplicate_groups: int
    n_excluded: int
    n_by_names_only: int = 0


class TrainingWindows(Artifact):
    """Train and validation windows as ``.npy`` files to be memory-mapped; the test split is not in it.

    Attributes:
        n_train: windows of train patients.
        n_val: windows of validation patients.
        window_s: seconds of a window.
        highpass_hz: corner of the zero-phase high-pass.
        max_channels: of the recording with the most.
    """

    kind: ClassVar[str] = "lamquant.training_windows"
    n_train: int
    n_val: int
    window_s: float
    highpass_hz: float
    max_channels: int


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
