"""Defines the recipes: named jobs with typed args."""

from collections.abc import Mapping

from blut_assets.changes import ChangeArgs, refuse_unanswered
from blut_assets.recipes import Metric, Recipe, config_from, like
from blut_assets.stages import StageConfig

from toybook.artifacts import PromotedClassifier, Table
from toybook.configs import (
    ClassifierConfig,
    ClassifierVerdictConfig,
    FloorSetConfig,
    PromotedClassifierConfig,
    SplitConfig,
    TableConfig,
)
from toybook.corpus import split
from toybook.promotion import promoted_classifier
from toybook.sources import floors, table
from toybook.synthetic import PREFIX
from toybook.training import classifier
from toybook.verdict import MODEL, classifier_verdict


class ClassifierArgs(ChangeArgs):
    """Holds the args of the recipe: what `blut recipe run` takes, and what the form in the UI shows."""

    table: str = like(TableConfig, "table")
    label: str = like(SplitConfig, "label")
    split_seed: int = like(SplitConfig, "split_seed")
    validation_fraction: float = like(SplitConfig, "validation_fraction")
    test_fraction: float = like(SplitConfig, "test_fraction")
    epochs: int = like(ClassifierConfig, "epochs")
    learning_rate: float = like(ClassifierConfig, "learning_rate")
    seed: int = like(ClassifierConfig, "seed")
    floors: str = like(FloorSetConfig, "floors")


def _configure(args: ClassifierArgs) -> Mapping[str, StageConfig]:
    """Returns the config of each asset; what the end would refuse is refused here, before the training."""
    name, _, alias = args.promote_as.partition("@")
    if args.promote_as and (name != MODEL or not alias):
        raise ValueError(f"promote_as = {args.promote_as!r}: give {MODEL}@ALIAS, such as {MODEL}@staging")
    refuse_unanswered(args, synthetic=args.table.startswith(PREFIX))
    return {
        "table": config_from(TableConfig, args),
        "split": config_from(SplitConfig, args),
        "classifier": config_from(ClassifierConfig, args),
        "floors": config_from(FloorSetConfig, args),
        "classifier_verdict": config_from(ClassifierVerdictConfig, args),
        "promoted_classifier": config_from(PromotedClassifierConfig, args, alias=args.promote_as),
    }


CLASSIFIER = Recipe(
    name="toybook_classifier",
    category="train",
    description="Learn to tell rows apart, judge it on sealed rows, promote it if it passes.",
    args=ClassifierArgs,
    assets=[table, split, classifier, floors, classifier_verdict, promoted_classifier],
    output=PromotedClassifier,
    configure=_configure,
    input_kinds=[Table.kind],
    # by this its runs are compared: the asset toybook_classifier_leaderboard
    metric=Metric(classifier_verdict, "accuracy", "highest", only_if="passed"),
    demo="args_demo",
)
