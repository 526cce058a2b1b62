"""Defines what recordings become before a training: corpus, split, windows."""

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
