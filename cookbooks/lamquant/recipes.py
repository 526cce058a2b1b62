"""Defines the LamQuant catalogue."""

from collections.abc import Mapping
from typing import Any, Literal

from blut_assets.changes import ChangeArgs, refuse_unanswered
from blut_assets.recipes import Metric, Recipe, RecipeArgs, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.reading import Labels
from cookbooks.lamquant.annotations.vocabulary import parse_vocabulary, read_vocabulary
from cookbooks.lamquant.artifacts import LmaCorpus, PccpVerdict, Recordings
from cookbooks.lamquant.configs.corpus import (
    Identity,
    LmaCorpusConfig,
    RecordingsConfig,
    Repair,
    SplitManifestConfig,
    SplitRequestConfig,
    TrainingWindowsConfig,
)
from cookbooks.lamquant.configs.labelling import AnnotationFilesConfig, AnnotationsConfig
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.configs.sources import SYNTHETIC, Root, roots_of
from cookbooks.lamquant.configs.training import Device, JointCheckpointConfig, PresetName
from cookbooks.lamquant.configs.verdict import FloorRegistryConfig, PccpVerdictConfig
from cookbooks.lamquant.corpus import lma_corpus, split_manifest, training_windows
from cookbooks.lamquant.gate.board import rate_board
from cookbooks.lamquant.gate.floors import load_registry
from cookbooks.lamquant.labelling import annotation_files, annotations, vocabulary_path
from cookbooks.lamquant.promotion import promoted_codec
from cookbooks.lamquant.signal.listing import refuse_beside
from cookbooks.lamquant.signal.placing import SplitPolicy
from cookbooks.lamquant.sources import (
    floor_registry,
    recordings,
    registry_path,
    requested,
    split_request,
)
from cookbooks.lamquant.subjects.sides import SPLITS
from cookbooks.lamquant.training import joint_checkpoint
from cookbooks.lamquant.verdict import pccp_verdict


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


class DataPrepArgs(CorpusArgs):
    """Holds the args of ``lamquant_data_prep``."""

    labels: Labels = like(AnnotationsConfig, "labels")
    vocabulary: str = like(AnnotationsConfig, "vocabulary")
    unknown: Unknown = like(AnnotationsConfig, "unknown")


class JointCodecArgs(CorpusArgs, ChangeArgs):
    """Holds the args of ``lamquant_joint_codec``."""

    change_id: str = like(PccpVerdictConfig, "change_id", description="of the change judged")
    change_class: str = like(PccpVerdictConfig, "change_class")
    preset: PresetName = like(JointCheckpointConfig, "preset", description="size and length of the training")
    tier: Any = like(JointCheckpointConfig, "tier")
    seed: int = like(JointCheckpointConfig, "seed", description="of the training; the split has its own")
    split_seed: int = like(
        SplitManifestConfig, "seed", description="of the split: another one seals other patients"
    )
    epochs: int | None = like(JointCheckpointConfig, "epochs", description="instead of the preset's")
    batch_size: int | None = like(JointCheckpointConfig, "batch_size", description="instead of the preset's")
    lr: float | None = like(JointCheckpointConfig, "lr", description="learning rate instead of the preset's")
    resume: Literal["auto", "never"] = like(JointCheckpointConfig, "resume")
    device: Device = like(JointCheckpointConfig, "device", description="auto takes CUDA where there is one")
    threads: int = like(JointCheckpointConfig, "threads", description="CPU threads of the training")
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
    registry: str = like(
        FloorRegistryConfig,
        "registry",
        description="YAML file with the floors; the shipped sample registry if empty",
    )


def _data_prep(args: DataPrepArgs) -> Mapping[str, StageConfig]:
    path = vocabulary_path(args.vocabulary)
    parse_vocabulary(read_vocabulary(path), path.name)
    return {
        **_corpus(args),
        "annotation_files": config_from(AnnotationFilesConfig, args),
        "annotations": config_from(AnnotationsConfig, args),
    }


def _corpus(args: CorpusArgs) -> Mapping[str, StageConfig]:
    _roots(args)
    return {
        "recordings": config_from(RecordingsConfig, args),
        "lma_corpus": config_from(LmaCorpusConfig, args),
    }


def _roots(args: CorpusArgs) -> list[Root]:
    return roots_of(args.edf_root, args.edf_roots, args.lma_roots)


def _joint_codec(args: JointCodecArgs) -> Mapping[str, StageConfig]:
    _refuse_what_the_gate_would(args)
    return {
        **_corpus(args),
        "split_request": config_from(SplitRequestConfig, args),
        "split_manifest": config_from(SplitManifestConfig, args, seed=args.split_seed),
        "training_windows": config_from(TrainingWindowsConfig, args),
        "joint_checkpoint": config_from(JointCheckpointConfig, args),
        "floor_registry": config_from(FloorRegistryConfig, args),
        "pccp_verdict": config_from(PccpVerdictConfig, args),
        "promoted_codec": config_from(PromotedCodecConfig, args, alias=args.promote_as),
    }


def _refuse_what_the_gate_would(args: JointCodecArgs) -> None:
    """Find out before the training what the verdict or the promotion would say after it."""
    registry = load_registry(registry_path(args.registry))
    registry.authorise(args.change)
    name, separator, alias = args.promote_as.partition("@")
    if args.promote_as and (not separator or not alias or name != registry.model):
        raise ValueError(
            f"promote_as = {args.promote_as!r}: give {registry.model}@ALIAS, the registry's model"
        )
    refuse_unanswered(args, synthetic=any(root.path.startswith(SYNTHETIC) for root in _roots(args)))
    _refuse_what_the_split_would(args)


def _refuse_what_the_split_would(args: JointCodecArgs) -> None:
    """Find out before anything is encoded what is wrong with the user's files, or beside them."""
    request = requested(args.manifest, args.subjects)
    named = {split: tuple(getattr(args, f"{split}_subjects")) for split in SPLITS}
    policy = SplitPolicy(
        args.split_seed, args.val_fraction, args.test_fraction, named, args.unlisted, args.test_from
    )
    refuse_beside(policy, manifest=bool(request.sides))


DATA_PREP = Recipe(
    name="lamquant_data_prep",
    category="data-prep",
    description="EDF/BDF recordings into a lossless LMA corpus, with what people have marked in them.",
    args=DataPrepArgs,
    assets=[recordings, lma_corpus, annotation_files, annotations],
    output=LmaCorpus,
    configure=_data_prep,
    input_kinds=[Recordings.kind],
    metric=Metric(lma_corpus, "compression_ratio", "highest"),
)

JOINT_CODEC = Recipe(
    name="lamquant_joint_codec",
    category="train",
    description="Train the joint codec, judge it on unseen patients, promote it if it passes.",
    args=JointCodecArgs,
    assets=[
        *(recordings, lma_corpus, split_request, split_manifest, training_windows),
        *(joint_checkpoint, floor_registry, pccp_verdict, promoted_codec),
    ],
    output=PccpVerdict,
    configure=_joint_codec,
    input_kinds=[Recordings.kind],
    metric=Metric(pccp_verdict, "worst_prdn", "lowest", only_if="passed", shows=rate_board),
)
