"""Defines the args that several recipes share, and what each stage is configured with because of them."""

from collections.abc import Mapping
from typing import Any, Literal

from blut_assets.changes import ChangeArgs
from blut_assets.recipes import RecipeArgs, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.reading import Labels
from cookbooks.lamquant.annotations.vocabulary import parse_vocabulary, read_vocabulary, vocabulary_path
from cookbooks.lamquant.configs.corpus import (
    Identity,
    LmaCorpusConfig,
    RecordingsConfig,
    Repair,
    SplitManifestConfig,
    SplitRequestConfig,
    Stratify,
    TrainingWindowsConfig,
)
from cookbooks.lamquant.configs.labelling import (
    ActivityLabelsConfig,
    AnnotationFilesConfig,
    AnnotationsConfig,
)
from cookbooks.lamquant.configs.sources import SYNTHETIC, Root, roots_of
from cookbooks.lamquant.configs.training import Device, JointCheckpointConfig, PresetName
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.labels.kinds import Unannotated


class CorpusArgs(RecipeArgs):
    """Holds the args of every recipe that begins with recordings."""

    edf_root: str = like(RecordingsConfig, "edf_root")
    edf_roots: Any = like(RecordingsConfig, "edf_roots")
    lma_roots: Any = like(RecordingsConfig, "lma_roots")
    identity: Identity = like(LmaCorpusConfig, "identity")
    repair: Repair = like(LmaCorpusConfig, "repair")
    eeg_channels: list[str] = like(LmaCorpusConfig, "eeg_channels")
    exclude_channels: list[str] = like(LmaCorpusConfig, "exclude_channels")
    limit: int | None = like(LmaCorpusConfig, "limit")
    workers: int = like(LmaCorpusConfig, "workers")

    def roots(self) -> list[Root]:
        """Returns where the recordings lie.

        Raises:
            ValueError: there is none, two have one name, or one directory is named twice.
        """
        return roots_of(self.edf_root, self.edf_roots, self.lma_roots)

    def is_synthetic(self) -> bool:
        """Says whether any of the recordings is made up."""
        return any(root.path.startswith(SYNTHETIC) for root in self.roots())

    def corpus_configs(self) -> Mapping[str, StageConfig]:
        """Returns the configs of the recordings and of their archives."""
        self.roots()
        return {
            "recordings": config_from(RecordingsConfig, self),
            "lma_corpus": config_from(LmaCorpusConfig, self),
        }


class SplitArgs(CorpusArgs):
    """Holds the args of every recipe that seals patients for a gate."""

    split_seed: int = like(
        SplitManifestConfig, "seed", description="of the split: another one seals other patients"
    )
    subjects: str = like(SplitRequestConfig, "subjects")
    manifest: str = like(SplitRequestConfig, "manifest")
    unlisted: Literal["refuse", "leave_out"] = like(SplitManifestConfig, "unlisted")
    test_from: Literal["manifest", "val"] = like(SplitManifestConfig, "test_from")
    val_fraction: float | None = like(
        SplitManifestConfig, "val_fraction", description="of the subjects; 0.1 if not given"
    )
    test_fraction: float | None = like(
        SplitManifestConfig,
        "test_fraction",
        description="of the subjects, sealed for the gate; 0.1 if not given",
    )
    train_subjects: list[str] = like(
        SplitManifestConfig, "train_subjects", description="subjects that must be in train"
    )
    val_subjects: list[str] = like(
        SplitManifestConfig, "val_subjects", description="subjects that must be in validation"
    )
    test_subjects: list[str] = like(
        SplitManifestConfig, "test_subjects", description="subjects that must be in test"
    )

    def split_configs(self) -> Mapping[str, StageConfig]:
        """Returns the configs of the corpus, and of who is on which side."""
        return {
            **self.corpus_configs(),
            "split_request": config_from(SplitRequestConfig, self),
            "split_manifest": config_from(SplitManifestConfig, self, seed=self.split_seed),
        }


class LabelArgs(SplitArgs):
    """Holds the args of every recipe that learns from what people have marked."""

    stratify: Stratify = like(SplitRequestConfig, "stratify", default="critical")
    labels: Labels = like(AnnotationsConfig, "labels")
    vocabulary: str = like(AnnotationsConfig, "vocabulary")
    unknown: Unknown = like(AnnotationsConfig, "unknown")
    frame_s: float = like(ActivityLabelsConfig, "frame_s")
    unannotated: Unannotated = like(ActivityLabelsConfig, "unannotated")

    def label_configs(self) -> Mapping[str, StageConfig]:
        """Returns the configs of the corpus, of its split, and of the labels.

        Raises:
            VocabularyError: the vocabulary cannot be read.
        """
        path = vocabulary_path(self.vocabulary)
        parse_vocabulary(read_vocabulary(path), path.name)
        return {
            **self.split_configs(),
            "annotation_files": config_from(AnnotationFilesConfig, self),
            "annotations": config_from(AnnotationsConfig, self),
            "activity_labels": config_from(ActivityLabelsConfig, self),
        }


class WindowsArgs(SplitArgs):
    """Holds the args of every recipe that trains on windows."""

    window_s: float = like(TrainingWindowsConfig, "window_s", description="seconds of a training window")
    highpass_hz: float = like(
        TrainingWindowsConfig, "highpass_hz", description="high-pass of the training windows"
    )
    rate_hz: float | None = like(
        TrainingWindowsConfig,
        "rate_hz",
        description="resample training windows; native rate if not given",
    )
    channels: list[str] = like(
        TrainingWindowsConfig, "channels", description="10-20 names to train on; all if empty"
    )

    def windows_configs(self) -> Mapping[str, StageConfig]:
        """Returns the configs of the corpus, of its split, and of the windows."""
        return {**self.split_configs(), "training_windows": config_from(TrainingWindowsConfig, self)}


class TrainingArgs(RecipeArgs):
    """Says how trainings run; what is not given comes from the preset."""

    preset: PresetName = like(JointCheckpointConfig, "preset", description="size and length of the training")
    seed: int = like(JointCheckpointConfig, "seed", description="of the training; the split has its own")
    epochs: int | None = like(JointCheckpointConfig, "epochs", description="instead of the preset's")
    batch_size: int | None = like(JointCheckpointConfig, "batch_size", description="instead of the preset's")
    lr: float | None = like(JointCheckpointConfig, "lr", description="learning rate instead of the preset's")
    resume: Literal["auto", "never"] = like(JointCheckpointConfig, "resume")
    device: Device = like(JointCheckpointConfig, "device", description="auto takes CUDA where there is one")
    threads: int = like(JointCheckpointConfig, "threads", description="CPU threads of the training")


class CodecTrainingArgs(TrainingArgs):
    """Says how a codec is trained; what else a recipe trains, one process does."""

    gpus: int | None = like(
        JointCheckpointConfig,
        "gpus",
        description="GPUs that train the codec together, each with its share of a batch; one, where there is"
        " one, if not given",
    )
    ranks: int | None = like(
        JointCheckpointConfig,
        "ranks",
        description="processes that train the codec together on the CPU, each with its share of a batch and"
        " `threads` of its own; one if not given",
    )


class JudgedArgs(ChangeArgs):
    """Says what is judged, by which floors, and what it is promoted to."""

    change_id: str = like(PccpVerdictConfig, "change_id", description="of the change judged")
    change_class: str = like(PccpVerdictConfig, "change_class")
    registry: str = like(
        FloorRegistryConfig,
        "registry",
        description="YAML file with the floors; the shipped sample registry if empty",
    )
    registered_as: str = like(
        FloorRegistryConfig,
        "registered_as",
        description="registered model that is judged, such as one for each site; the registry's if empty",
    )
