"""Judges an oracle: what a codec without a device's limits would save at equal error."""

import tempfile
from pathlib import Path

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest, TrainingWindows
from cookbooks.lamquant.artifacts.training import JointCkpt, TeacherCkpt
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry, OracleVerdict
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.comparison_page import shown_headroom
from cookbooks.lamquant.verdicts.coding import (
    CODEC_ENCODE,
    DECODER_DECODE,
    DISTRIBUTIONS,
    decode_blind,
    encode_sealed,
    judged_by,
    keep_judged,
    rests_on_synthetic,
    tries,
)
from cookbooks.lamquant.verdicts.record import registered_with

ORACLE_SCORE = "cookbooks.lamquant.payload.oracle_score"
DECODER = "decoder"


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("headroom_bits_pct", "headroom_low_pct", "headroom_high_pct"),
    show=shown_headroom,
    payloads=[CODEC_ENCODE, DECODER_DECODE, ORACLE_SCORE],
    headline=["passed", "headroom_bits_pct", "headroom_low_pct", "headroom_high_pct", "usable_as_teacher"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def oracle_verdict(
    stage: Stage,
    teacher_checkpoint: TeacherCkpt,
    joint_checkpoint: JointCkpt,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    training_windows: TrainingWindows,
    oracle_floors: FloorRegistry,
    config: PccpVerdictConfig,
) -> Steps[OracleVerdict]:
    """By how much the files of a codec without limits are smaller at equal PRDN, on patients never seen.

    The sign is told, and an interval. A teacher that saves nothing passes: this is a report, and says that it
    cannot teach.
    """
    candidate, split = stage.open(teacher_checkpoint), stage.open(split_manifest)
    sealed = {**corpus_inputs(stage, lma_corpus), "split": split, "windows": stage.open(training_windows)}
    with tempfile.TemporaryDirectory(dir=stage.work) as scratch:
        bitstreams = Path(scratch, "bitstreams")
        yield from encode_sealed(stage, candidate, sealed, bitstreams)
        decoded = yield from decode_blind(
            stage, candidate, bitstreams, sealed, Path(scratch), DECODER_DECODE, refiner=candidate / DECODER
        )
        facts = yield from stage.run(
            ORACLE_SCORE,
            config={
                "digests": {
                    "candidate": teacher_checkpoint.digest,
                    "reference": joint_checkpoint.digest,
                    "corpus": lma_corpus.digest,
                    "split": split_manifest.digest,
                    "registry": oracle_floors.digest,
                },
                "reference_synthetic": rests_on_synthetic(stage, joint_checkpoint.digest),
                "tries": tries(stage, teacher_checkpoint, lma_corpus, split_manifest, oracle_floors),
                **judged_by(stage, config),
            },
            inputs={
                "candidate": candidate,
                "reference": stage.open(joint_checkpoint),
                **sealed,
                "bitstreams": bitstreams,
                "decoded": decoded,
                "registry": stage.open(oracle_floors),
            },
            isolated=Isolation(),
        )
        keep_judged(stage, bitstreams, sealed["windows"])
    return OracleVerdict(**facts)
