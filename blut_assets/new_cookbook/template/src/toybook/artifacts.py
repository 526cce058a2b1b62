"""Defines the nouns of this cookbook. Every field is a fact about the bytes of the artifact."""

from typing import ClassVar

from blut_assets.artifacts import Artifact


class Table(Artifact):
    """A CSV file of the user's, digested where it lies and never copied; or one that was made up.

    Attributes:
        n_bytes: size of the file.
        synthetic: whether the rows are made up.
    """

    kind: ClassVar[str] = "toybook.table"
    n_bytes: int
    synthetic: bool


class Split(Artifact):
    """The rows in three parts: to learn from, to choose by, and sealed for the verdict.

    Attributes:
        n_train: rows to learn from.
        n_validation: rows by which the best epoch is chosen.
        n_test: rows that only the verdict sees.
        n_features: numbers of a row.
        n_classes: different labels.
    """

    kind: ClassVar[str] = "toybook.split"
    n_train: int
    n_validation: int
    n_test: int
    n_features: int
    n_classes: int


class Classifier(Artifact):
    """A trained classifier: ``model.json``.

    Attributes:
        epochs: finished, those before a resume included.
        best_epoch: the one whose weights are kept.
        loss: cross-entropy of the train rows in the last epoch, in nats.
        validation_accuracy: share of the validation rows that the kept weights get right.
    """

    kind: ClassVar[str] = "toybook.classifier"
    epochs: int
    best_epoch: int
    loss: float
    validation_accuracy: float


class FloorSet(Artifact):
    """What a classifier must reach, as one YAML file.

    Attributes:
        min_accuracy: least share of the sealed rows.
        min_recall: least share of the sealed rows of every class.
    """

    kind: ClassVar[str] = "toybook.floors"
    min_accuracy: float
    min_recall: float


class ClassifierVerdict(Artifact):
    """The judgement of exactly one classifier: ``verdict.json``.

    Attributes:
        candidate: digest of the classifier that was judged, and of no other.
        passed: whether every floor was measured and met.
        accuracy: share of the sealed rows that it gets right.
        worst_recall: the same share of the rows of one class, of the class with the least.
        n_test: sealed rows.
        n_failed_criteria: floors missed or not measurable.
    """

    kind: ClassVar[str] = "toybook.classifier_verdict"
    candidate: str
    passed: bool
    accuracy: float | None
    worst_recall: float | None
    n_test: int
    n_failed_criteria: int


class PromotedClassifier(Artifact):
    """The record of one promotion, or of why none was made.

    Attributes:
        alias: ``name@alias`` that was asked for; empty if none was.
        candidate: digest of the classifier.
        verdict: digest of the verdict that it rests on.
        promoted: whether the alias names this classifier now because of it.
    """

    kind: ClassVar[str] = "toybook.promoted_classifier"
    alias: str
    candidate: str
    verdict: str
    promoted: bool
