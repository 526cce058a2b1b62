"""Judges the controller by what it decides of recordings whose labels it cannot see."""

import tempfile
from pathlib import Path
from typing import Any

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payloads.isolated import plain_copy
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest
from cookbooks.lamquant.artifacts.labels import SnnLabels
from cookbooks.lamquant.artifacts.training import SnnCkpt
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry, SnnVerdict
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.decision_page import shown_decisions
from cookbooks.lamquant.verdicts.coding import (
    DISTRIBUTIONS,
    INCUMBENT,
    attempt,
    judged_by,
    open_incumbent,
    tries,
)
from cookbooks.lamquant.verdicts.record import incumbent_of, registered_with

SNN_DECIDE = "cookbooks.lamquant.payload.snn_decide"
SNN_SCORE = "cookbooks.lamquant.payload.snn_score"
STATES, STATES_SUFFIX, WHOLE = "states", ".states", "whole"


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("auc", "event_sensitivity", "fa_per_h"),
    looks_up=incumbent_of("snn_checkpoint"),
    show=shown_decisions,
    payloads=[SNN_DECIDE, SNN_SCORE],
    headline=["passed", "event_sensitivity", "fa_per_h", "auc"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def snn_verdict(
    stage: Stage,
    snn_checkpoint: SnnCkpt,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    activity_labels: SnnLabels,
    snn_floors: FloorRegistry,
    config: PccpVerdictConfig,
) -> Steps[SnnVerdict]:
    """The gate's judgement of one controller, by its decisions on patients that it never saw.

    One process decides, and cannot open a label; another compares with the labels. What the alias stands for
    decides on the same recordings, and the candidate counts as one more try on them.
    """
    candidate, labels = stage.open(snn_checkpoint), stage.open(activity_labels)
    seen = {**corpus_inputs(stage, lma_corpus), "split": stage.open(split_manifest)}
    with tempfile.TemporaryDirectory(dir=stage.work) as scratch:
        decided = Path(scratch, "decided")
        yield from _decide(stage, candidate, seen, labels, decided)
        other = yield from _incumbent(stage, seen, labels, Path(scratch, "incumbent"))
        facts = yield from stage.run(
            SNN_SCORE,
            config={
                "digests": {
                    "candidate": snn_checkpoint.digest,
                    "corpus": lma_corpus.digest,
                    "split": split_manifest.digest,
                    "labels": activity_labels.digest,
                    "registry": snn_floors.digest,
                },
                "incumbent_digest": stage.looked_up.get(INCUMBENT),
                "tries": tries(stage, snn_checkpoint, lma_corpus, split_manifest, snn_floors),
                **judged_by(stage, config),
            },
            inputs={
                "candidate": candidate,
                **seen,
                "labels": labels,
                "decided": decided,
                "registry": stage.open(snn_floors),
                **other,
            },
            isolated=Isolation(),
        )
        # what was judged is kept with the judgement
        if (decided / WHOLE).is_dir():
            plain_copy(decided / WHOLE, stage.out / STATES, STATES_SUFFIX)
    return SnnVerdict(**facts)


def _decide(stage: Stage, candidate: Path, seen: dict[str, Path], labels: Path, out: Path) -> Steps[Any]:
    """Decide the sealed recordings in a process that cannot open their labels."""
    inputs = {"candidate": candidate, **seen}
    yield from attempt(stage, SNN_DECIDE, {"split": "test"}, inputs, out, Isolation(hidden=(labels,)))


def _incumbent(stage: Stage, seen: dict[str, Path], labels: Path, out: Path) -> Steps[Any]:
    """What would be replaced, and what it decides; nothing if there is none, or if its bytes are lost."""
    checkpoint = open_incumbent(stage)
    if checkpoint is None:
        return {}
    yield from _decide(stage, checkpoint, seen, labels, out)
    return {INCUMBENT: checkpoint, "incumbent_decided": out}
