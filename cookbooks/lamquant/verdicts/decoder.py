"""Judges a decoder by what it makes of bytes that the shipped decoder makes something else of."""

import tempfile
from pathlib import Path
from typing import Any

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest, TrainingWindows
from cookbooks.lamquant.artifacts.training import DecoderCkpt, JointCkpt
from cookbooks.lamquant.artifacts.verdicts import DecoderVerdict, FloorRegistry
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.comparison_page import shown_gain
from cookbooks.lamquant.verdicts.coding import (
    CODEC_DECODE,
    CODEC_ENCODE,
    DECODER_DECODE,
    DISTRIBUTIONS,
    decode_blind,
    encode_sealed,
    judged_by,
    keep_judged,
    rests_on_synthetic,
    tries,
    verdicts_on,
)
from cookbooks.lamquant.verdicts.record import registered_with

DECODER_SCORE = "cookbooks.lamquant.payload.decoder_score"
PREFIXES = {"full": "", "device": "device_"}
"""How the names of a profile's files begin."""


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=registered_with("gain_pct", "gain_full_pct", "gain_device_pct", "regression_pct"),
    show=shown_gain,
    payloads=[CODEC_ENCODE, CODEC_DECODE, DECODER_DECODE, DECODER_SCORE],
    headline=["passed", "outcome", "gain_full_pct", "gain_device_pct", "regression_pct"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
    footprint=Footprint(cpus=1),
)
def decoder_verdict(
    stage: Stage,
    decoder_checkpoint: DecoderCkpt,
    joint_checkpoint: JointCkpt,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    training_windows: TrainingWindows,
    decoder_floors: FloorRegistry,
    config: PccpVerdictConfig,
) -> Steps[DecoderVerdict]:
    """What a decoder makes better of the same bytes, on patients never seen; no gain is a result, too.

    The codec encodes in a process that has no decoder. Each decoder works on copies of these files, in a
    process that cannot see the recordings; digests prove that the bytes are the same.
    """
    encoder, split = stage.open(joint_checkpoint), stage.open(split_manifest)
    sealed = {**corpus_inputs(stage, lma_corpus), "split": split, "windows": stage.open(training_windows)}
    candidate = stage.open(decoder_checkpoint)
    with tempfile.TemporaryDirectory(dir=stage.work) as scratch:
        files: dict[str, Path] = {}
        for profile, prefix in PREFIXES.items():
            place = Path(scratch, profile)
            coded = yield from _decoded_twice(stage, encoder, candidate, sealed, place, profile)
            files |= {f"{prefix}{name}": path for name, path in coded.items()}
        facts = yield from stage.run(
            DECODER_SCORE,
            config={
                "digests": {
                    "candidate": decoder_checkpoint.digest,
                    "encoder": joint_checkpoint.digest,
                    "corpus": lma_corpus.digest,
                    "split": split_manifest.digest,
                    "registry": decoder_floors.digest,
                },
                "encoder_synthetic": rests_on_synthetic(stage, joint_checkpoint.digest),
                "known": _known(stage, joint_checkpoint, lma_corpus, split_manifest),
                "tries": tries(stage, decoder_checkpoint, lma_corpus, split_manifest, decoder_floors),
                **judged_by(stage, config),
            },
            inputs={
                "candidate": candidate,
                "encoder": encoder,
                **sealed,
                **files,
                "registry": stage.open(decoder_floors),
            },
            isolated=Isolation(),
        )
        keep_judged(stage, files["bitstreams"], sealed["windows"])
    return DecoderVerdict(**facts)


def _decoded_twice(
    stage: Stage, encoder: Path, candidate: Path, sealed: dict[str, Path], scratch: Path, profile: str
) -> Steps[Any]:
    """Encode the sealed recordings once, and decode copies of the files by either decoder."""
    bitstreams = scratch / "bitstreams"
    for name in ("shipped", "refined"):
        (scratch / name).mkdir(parents=True)
    yield from encode_sealed(stage, encoder, sealed, bitstreams, profile)
    shipped = yield from decode_blind(stage, encoder, bitstreams, sealed, scratch / "shipped")
    refined = yield from decode_blind(
        stage, encoder, bitstreams, sealed, scratch / "refined", DECODER_DECODE, refiner=candidate
    )
    received = scratch / "refined" / "sent"
    return {"bitstreams": bitstreams, "received": received, "shipped": shipped, "refined": refined}


def _known(stage: Stage, encoder: JointCkpt, corpus: LmaCorpus, split: SplitManifest) -> str | None:
    """Returns the digest of the bitstreams that the encoder's own verdict on this split rests on, if any."""
    same = {"corpus": corpus.digest, "split": split.digest}
    for judged in verdicts_on(stage, encoder.digest):
        if same.items() <= judged.inputs.items() and "bitstreams" in judged.inputs:
            return judged.inputs["bitstreams"]
    return None
