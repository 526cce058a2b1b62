"""Judges the joint codec by the bitstream files that it writes, and by what comes out of them."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payloads.payload import PayloadFailed
from blut_resources.registry.verdicts import VERDICT_FILE
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest, TrainingWindows
from cookbooks.lamquant.artifacts.training import JointCkpt
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry, PccpVerdict
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.gate.rate_picture import RATE_FILE
from cookbooks.lamquant.verdicts.coding import (
    CODEC_DECODE,
    CODEC_ENCODE,
    DISTRIBUTIONS,
    INCUMBENT,
    code_incumbent,
    code_sealed,
    judged_by,
    keep_judged,
    tries,
)
from cookbooks.lamquant.verdicts.record import incumbent_of, registered_with

VERDICT_SCORE = "cookbooks.lamquant.payload.verdict_score"
VERDICT_PICTURES = "cookbooks.lamquant.payload.pictures_build"


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("cr", "worst_cr", "worst_prdn", "worst_r"),
    looks_up=incumbent_of("joint_checkpoint"),
    show=shown,
    payloads=[CODEC_ENCODE, CODEC_DECODE, VERDICT_SCORE, VERDICT_PICTURES],
    headline=["passed", "worst_cr", "worst_prdn", "worst_r"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def pccp_verdict(
    stage: Stage,
    joint_checkpoint: JointCkpt,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    training_windows: TrainingWindows,
    floor_registry: FloorRegistry,
    config: PccpVerdictConfig,
) -> Steps[PccpVerdict]:
    """The gate's judgement of one candidate, measured on the bitstream files of patients never seen.

    A codec that crashes leaves files out, and a missing file is a failed criterion. The training windows
    are asked whether a test patient was among them. What the alias stands for is coded in the same way on
    the same recordings, and the candidate counts as one more try on them.
    """
    candidate, split = stage.open(joint_checkpoint), stage.open(split_manifest)
    corpus, windows = corpus_inputs(stage, lma_corpus), stage.open(training_windows)
    sealed = {**corpus, "split": split, "windows": windows}
    with tempfile.TemporaryDirectory(dir=stage.work) as scratch:
        coded = yield from code_sealed(stage, candidate, sealed, Path(scratch, "candidate"))
        other = yield from code_incumbent(stage, sealed, Path(scratch, "incumbent"))
        facts = yield from stage.run(
            VERDICT_SCORE,
            config={
                "candidate_digest": joint_checkpoint.digest,
                "corpus_digest": lma_corpus.digest,
                "split_digest": split_manifest.digest,
                "registry_digest": floor_registry.digest,
                "incumbent_digest": stage.looked_up.get(INCUMBENT),
                "tries": tries(stage, joint_checkpoint, lma_corpus, split_manifest, floor_registry),
                **judged_by(stage, config),
            },
            inputs={
                "candidate": candidate,
                **sealed,
                **coded,
                **{f"incumbent_{name}" if name in coded else name: path for name, path in other.items()},
                "registry": stage.open(floor_registry),
            },
            isolated=Isolation(),
        )
        names = {"candidate": f"this candidate, {joint_checkpoint.digest[:12]}"}
        judged = {"candidate": candidate, **sealed, **coded, "registry": stage.open(floor_registry)}
        yield from _pictures(stage, names, judged, other, Path(scratch, "pictures"))
        keep_judged(stage, coded["bitstreams"], windows)
    return PccpVerdict(**facts)


def _pictures(
    stage: Stage, names: dict[str, str], judged: dict[str, Path], other: dict[str, Path], out: Path
) -> Steps[Any]:
    """Draw what a reviewer asks to see; a verdict stands without its pictures.

    Of what is drawn only the points of the curves are kept with the verdict: it travels, and the pictures
    show recordings.
    """
    inputs = {**judged, "verdict": stage.out / VERDICT_FILE}
    if INCUMBENT in other:
        names = {**names, INCUMBENT: f"what it would replace, {stage.looked_up[INCUMBENT][:12]}"}
        inputs[INCUMBENT] = other[INCUMBENT]
    try:
        yield from stage.run(VERDICT_PICTURES, config=names, inputs=inputs, out=out, isolated=Isolation())
    except PayloadFailed as failure:
        stage.context.log.warning(f"{stage.name}: no pictures: {failure}")
    if (out / RATE_FILE).is_file():
        shutil.copyfile(out / RATE_FILE, stage.out / RATE_FILE)
