"""Trains: one checkpoint per asset, in a process of its own."""

from blut_assets.stages import Footprint, Stage, Steps, stage_asset

from toybook.artifacts import Classifier, Split
from toybook.configs import ClassifierConfig

CLASSIFIER_TRAIN = "toybook.payload.classifier_train"


@stage_asset(
    cookbook="toybook",
    group="toybook_training",
    payloads=[CLASSIFIER_TRAIN],
    headline=["epochs", "loss", "validation_accuracy"],
    kinds={"json"},
    footprint=Footprint(memory="200M", cpus=1),
)
def classifier(stage: Stage, split: Split, config: ClassifierConfig) -> Steps[Classifier]:
    """A classifier, of the epoch that did best on the validation rows.

    It resumes from the last finished epoch when a training with the same fingerprint was killed.
    """
    parts = stage.open(split)
    facts = yield from stage.run(
        CLASSIFIER_TRAIN,
        config=config.for_payload(),
        # what a payload is not given it cannot learn: the sealed rows are not among these
        inputs={
            "split": parts / "split.json",
            "train": parts / "train.jsonl",
            "validation": parts / "validation.jsonl",
        },
    )
    return Classifier(**facts)
