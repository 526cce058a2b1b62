"""Judges, fail-closed: the sealed rows are answered in one process and compared in another."""

import json

import dagster as dg
from blut_assets.retrying import gate_check
from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.files.digest import digest_bytes
from blut_resources.instance.instance import store_of
from blut_resources.registry import ModelRegistry
from blut_resources.registry.verdicts import VERDICT_FILE, parse_verdict

from toybook.artifacts import Classifier, ClassifierVerdict, FloorSet, Split
from toybook.configs import ClassifierVerdictConfig

ROWS_PREDICT = "toybook.payload.rows_predict"
VERDICT_MEASURE = "toybook.payload.verdict_measure"
MODEL = "toybook"


def register(stage: Stage, judged: ClassifierVerdict) -> None:
    """Make the judged classifier a version in the model registry, whether it passed or not."""
    verdict = parse_verdict(stage.store.read(judged.digest, VERDICT_FILE))
    registry = ModelRegistry(stage.store.root / "registry")
    if any(known.verdict == judged.digest for known in registry.versions(MODEL).values()):
        return
    record = registry.register(
        MODEL,
        candidate=verdict.candidate,
        inputs=verdict.inputs,
        verdict=judged.digest,
        passed=verdict.passed,
        floors=[criterion.as_floor() for criterion in verdict.criteria],
        figures=verdict.measurements,
        license="unknown",
        run=stage.context.run.run_id,
        headline=["accuracy", "worst_recall"],
    )
    stage.context.log.info(f"{stage.name}: registered as {record.model}")


@stage_asset(
    cookbook="toybook",
    group="toybook_verdict",
    payloads=[ROWS_PREDICT, VERDICT_MEASURE],
    headline=["passed", "accuracy", "worst_recall"],
    kinds={"json"},
    on_result=register,
    footprint=Footprint(cpus=1),
)
def classifier_verdict(
    stage: Stage, classifier: Classifier, split: Split, floors: FloorSet, config: ClassifierVerdictConfig
) -> Steps[ClassifierVerdict]:
    """The judgement of one classifier, measured on rows that it has never seen.

    The process that answers gets the stored bytes of the classifier and the numbers of the sealed rows. It
    runs where it can open nothing else, their labels least of all.
    """
    candidate, parts = stage.open(classifier), stage.open(split)
    answers = stage.work / "answers"
    yield from stage.run(
        ROWS_PREDICT,
        config={},
        inputs={"candidate": candidate, "rows": parts / "test.jsonl"},
        out=answers,
        isolated=Isolation(hidden=(parts / "test_labels.json",)),
    )
    sealed = digest_bytes((parts / "test.jsonl").read_bytes() + (parts / "test_labels.json").read_bytes())
    tries = ModelRegistry(stage.store.root / "registry").try_number(
        MODEL, sealed=sealed, candidate=classifier.digest
    )
    facts = yield from stage.run(
        VERDICT_MEASURE,
        config={
            "model": MODEL,
            "change": config.change.model_dump(),
            "sealed": sealed,
            "tries": tries,
            "isolation": stage.isolation,
        },
        inputs={
            "candidate": candidate,
            "split": parts,
            "floors": stage.open(floors),
            "answers": answers,
        },
        isolated=Isolation(),
    )
    return ClassifierVerdict(**facts)


@gate_check(asset=classifier_verdict, name="classifier_gate")
def classifier_gate(
    context: dg.AssetCheckExecutionContext, classifier_verdict: ClassifierVerdict
) -> dg.AssetCheckResult:
    """Says whether the classifier meets every floor; a run that asks for more stops here if it does not."""
    verdict = parse_verdict(store_of(context.instance).read(classifier_verdict.digest, VERDICT_FILE))
    return dg.AssetCheckResult(
        passed=verdict.passed,
        description="; ".join(verdict.reasons) or "every floor met",
        metadata={"criteria": json.loads(verdict.to_json())["criteria"]},
    )
