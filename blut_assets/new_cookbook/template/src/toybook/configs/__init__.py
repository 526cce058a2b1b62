"""Defines what each asset can be told. A field is a part of the fingerprint unless ``HOW`` lists it."""

from typing import Annotated, ClassVar

from blut_assets.changes import ChangeArgs, ChangeFields
from blut_assets.paths import AsPath
from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from pydantic import Field

from toybook.synthetic import PREFIX


class TableConfig(StageConfig):
    """Says where the rows are."""

    # absolute from here on, wherever it was typed
    table: Annotated[str, AsPath((PREFIX,))] = Field(
        description="CSV file with a header, numbers and one column of labels; or synthetic:rows=600,seed=0"
    )


class SplitConfig(StageConfig):
    """Says which rows are learned, and which are sealed."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"label", "split_seed"})

    label: str = Field("", description="column that holds the labels; the last one if empty")
    split_seed: int = Field(0, ge=0, description="of the split: another one seals other rows")
    validation_fraction: float = Field(0.2, gt=0, lt=0.5, description="of the rows")
    test_fraction: float = Field(0.2, gt=0, lt=0.5, description="of the rows, sealed for the verdict")


class ClassifierConfig(StageConfig):
    """Says how the classifier learns."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed", "learning_rate"})
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs"})

    epochs: int = Field(30, ge=1, le=100_000, description="passes over the train rows")
    learning_rate: float = Field(0.05, gt=0, le=10, description="of the first epoch; it falls to a tenth")
    seed: int = Field(0, ge=0, description="of the order in which rows are learned")


class FloorSetConfig(StageConfig):
    """Says which floors to judge by."""

    floors: Annotated[str, AsPath()] = Field(
        "", description="YAML file with floors; the package's own if empty"
    )


class ClassifierVerdictConfig(StageConfig, ChangeFields):
    """Describes the change that is judged, and who answers for it."""

    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset(ChangeFields.model_fields)


class PromotedClassifierConfig(StageConfig):
    """Says what to call the classifier that passed."""

    alias: str = like(ChangeArgs, "promote_as")
    allow_worse: str = like(ChangeArgs, "allow_worse")
    new_sealed: str = like(ChangeArgs, "new_sealed")
