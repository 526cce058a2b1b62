"""Judges a codec whose bits follow states, by its files of patients that neither codec nor controller saw."""

import tempfile
from pathlib import Path

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payloads.isolated import plain_copy
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest, TrainingWindows
from cookbooks.lamquant.artifacts.labels import SnnLabels
from cookbooks.lamquant.artifacts.pipeline import AdaptiveCodec
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry, PipelineVerdict
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.following_page import shown_following
from cookbooks.lamquant.verdicts.coding import (
    CODEC_DECODE,
    DISTRIBUTIONS,
    attempt,
    decode_blind,
    judged_by,
    keep_judged,
    tries,
)
from cookbooks.lamquant.verdicts.record import registered_with

PIPELINE_ENCODE = "cookbooks.lamquant.payload.pipeline_encode"
PIPELINE_SCORE = "cookbooks.lamquant.payload.pipeline_score"
CODED, DECIDED, STATES_SUFFIX = "coded", "states", ".states"


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("rate_advantage", "critical_prdn", "cr"),
    show=shown_following,
    payloads=[PIPELINE_ENCODE, CODEC_DECODE, PIPELINE_SCORE],
    headline=["passed", "rate_advantage", "critical_prdn", "detection_loss", "cr"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def pipeline_verdict(
    stage: Stage,
    adaptive_codec: AdaptiveCodec,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    training_windows: TrainingWindows,
    activity_labels: SnnLabels,
    pipeline_floors: FloorRegistry,
    config: PccpVerdictConfig,
) -> Steps[PipelineVerdict]:
    """The gate's judgement of one codec that follows states.

    One process decides and encodes, and cannot open a label. Another decodes, and cannot open what is
    sealed. A third compares with originals and labels, and encodes at constant levels what ours has to be
    smaller than.
    """
    candidate, labels = stage.open(adaptive_codec), stage.open(activity_labels)
    windows, seen = stage.open(training_windows), corpus_inputs(stage, lma_corpus)
    seen |= {"split": stage.open(split_manifest)}
    hidden = Isolation(hidden=(labels, windows))
    with tempfile.TemporaryDirectory(dir=stage.work) as name:
        scratch = Path(name)
        made = scratch / "encoded"
        inputs = {"candidate": candidate, **seen}
        yield from attempt(stage, PIPELINE_ENCODE, {"split": "test"}, inputs, made, hidden)
        for part in (CODED, DECIDED):
            (made / part).mkdir(exist_ok=True)
        sealed = {**seen, "labels": labels, "windows": windows}
        decoded = yield from decode_blind(stage, candidate, made / CODED, sealed, scratch)
        facts = yield from stage.run(
            PIPELINE_SCORE,
            config={
                "digests": {
                    "candidate": adaptive_codec.digest,
                    "corpus": lma_corpus.digest,
                    "split": split_manifest.digest,
                    "labels": activity_labels.digest,
                    "registry": pipeline_floors.digest,
                },
                "tries": tries(stage, adaptive_codec, lma_corpus, split_manifest, pipeline_floors),
                **judged_by(stage, config),
            },
            inputs={
                "candidate": candidate,
                **sealed,
                "bitstreams": made / CODED,
                "states": made / DECIDED,
                "decoded": decoded,
                "registry": stage.open(pipeline_floors),
            },
            isolated=Isolation(),
        )
        keep_judged(stage, made / CODED, windows)
        plain_copy(made / DECIDED, stage.out / DECIDED, STATES_SUFFIX)
    return PipelineVerdict(**facts)
