"""Encodes the sealed recordings for a verdict in one process, and decodes them in another."""

import json
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, Steps
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.payloads.isolated import plain_copy
from blut_resources.payloads.payload import PayloadFailed
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import VERDICT_FILE, PromotionRefused, Verdict, parse_verdict
from blut_resources.store.artifacts import StoreError
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest
from cookbooks.lamquant.artifacts.verdicts import FloorRegistry
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.gate.split import SPLIT_FILE, parse_split, sealed_digest

CODEC_ENCODE = "cookbooks.lamquant.payload.codec_encode"
CODEC_DECODE = "cookbooks.lamquant.payload.codec_decode"
DECODER_DECODE = "cookbooks.lamquant.payload.decoder_decode"
INCUMBENT = "incumbent"
BITSTREAM_SUFFIX, BITSTREAMS, WINDOWS_INDEX = ".lqc", "bitstreams", "windows.json"
DISTRIBUTIONS = (
    *(
        "annotated-types",
        "blake3",
        "charset-normalizer",
        "constriction",
        "dill",
        "llvmlite",
        "numba",
        "numpy",
    ),
    *("nvidia-ml-py", "pydantic", "pydantic-core", "pyyaml", "safetensors", "scipy", "torch", "tqdm"),
    *("typing-extensions", "typing-inspection"),
)
"""What is loaded in the processes of a verdict, some of it only where it is there."""


def encode_sealed(
    stage: Stage, checkpoint: Path, sealed: dict[str, Path], bitstreams: Path, profile: str = "full"
) -> Steps[Any]:
    """Encode the sealed recordings, in a process of its own, to files in a directory."""
    seen = {"checkpoint": checkpoint, **{name: path for name, path in sealed.items() if name != "windows"}}
    config = {"split": "test"} if profile == "full" else {"split": "test", "profile": profile}
    yield from attempt(stage, CODEC_ENCODE, config, seen, bitstreams, Isolation())


def code_sealed(stage: Stage, checkpoint: Path, sealed: dict[str, Path], scratch: Path) -> Steps[Any]:
    """Encode the sealed recordings in one process and decode them in another that cannot see them."""
    scratch.mkdir()
    bitstreams = scratch / "bitstreams"
    yield from encode_sealed(stage, checkpoint, sealed, bitstreams)
    decoded = yield from decode_blind(stage, checkpoint, bitstreams, sealed, scratch)
    return {"bitstreams": bitstreams, "decoded": decoded}


def decode_blind(
    stage: Stage,
    checkpoint: Path,
    bitstreams: Path,
    sealed: dict[str, Path],
    scratch: Path,
    decoder: str = CODEC_DECODE,
    **more: Path,
) -> Steps[Any]:
    """Decode copies of bitstreams in a process that cannot see what is sealed; returns where the samples are.

    Args:
        stage: of the verdict.
        checkpoint: what decodes.
        bitstreams: the files of the encoding process.
        sealed: what the process may not see.
        scratch: a directory for its files.
        decoder: its payload.
        more: further inputs of it.
    """
    decoded = scratch / "decoded"
    sent = plain_copy(bitstreams, scratch / "sent", BITSTREAM_SUFFIX)
    received = {"checkpoint": checkpoint, "bitstreams": sent, **more}
    yield from attempt(stage, decoder, {}, received, decoded, Isolation(hidden=tuple(sealed.values())))
    return decoded


def open_incumbent(stage: Stage) -> Path | None:
    """Returns what would be replaced; None if there is nothing, or if its bytes are lost, which is said."""
    digest = stage.looked_up.get(INCUMBENT)
    if digest is None:
        return None
    try:
        return stage.store.open(digest)
    except StoreError as error:
        stage.context.log.warning(f"{stage.name}: what it would replace cannot be measured: {error}")
        stage.reusable = False
        return None


def code_incumbent(stage: Stage, sealed: dict[str, Path], scratch: Path) -> Steps[Any]:
    """The files of what would be replaced; none if there is nothing, or if its bytes are lost."""
    checkpoint = open_incumbent(stage)
    if checkpoint is None:
        return {}
    coded = yield from code_sealed(stage, checkpoint, sealed, scratch)
    return {INCUMBENT: checkpoint, **coded}


def judged_by(stage: Stage, config: PccpVerdictConfig) -> dict[str, Any]:
    """Returns what every verdict says of the change, and of what it is computed by."""
    return {
        "split": "test",
        "change": config.fingerprinted(),
        "isolation": stage.isolation,
        "environment": stage.environment.as_dict(),
    }


def keep_judged(stage: Stage, bitstreams: Path, windows: Path) -> None:
    """Copy what was judged to the judgement, so that somebody else can judge it again."""
    plain_copy(bitstreams, stage.out / BITSTREAMS, BITSTREAM_SUFFIX)
    shutil.copyfile(windows / WINDOWS_INDEX, stage.out / WINDOWS_INDEX)


def tries(
    stage: Stage, candidate: Artifact, corpus: LmaCorpus, split: SplitManifest, floors: FloorRegistry
) -> int | None:
    """The candidate's place among all that were judged on this sealed set.

    It is the same whenever the candidate is judged again, so it is noted here and is not a part of the
    fingerprint.
    """
    index = json.loads(stage.store.read(corpus.digest, "corpus.json"))
    stems = parse_split(stage.store.read(split.digest, SPLIT_FILE)).of("test")
    if (sealed := sealed_digest(index, stems)) is None:
        return None
    registry = ModelRegistry(stage.store.root / "registry")
    return registry.try_number(floors.model, sealed=sealed, candidate=candidate.digest)


def verdicts_on(stage: Stage, digest: str) -> Iterator[Verdict]:
    """Yields the verdicts on an artifact that are recorded and there."""
    registry = ModelRegistry(stage.store.root / "registry")
    for name in registry.names():
        for record in registry.versions(name).values():
            if record.candidate == digest:
                # of one whose bytes are gone nothing is known
                with suppress(StoreError, PromotionRefused):
                    yield parse_verdict(stage.store.read(record.verdict, VERDICT_FILE))


def rests_on_synthetic(stage: Stage, digest: str) -> bool:
    """Says whether a verdict on a codec that is there already says that it rests on made-up data."""
    return any(verdict.synthetic for verdict in verdicts_on(stage, digest))


def attempt(
    stage: Stage,
    module: str,
    config: dict[str, Any],
    inputs: dict[str, Path],
    out: Path,
    isolation: Isolation,
) -> Steps[Any]:
    """Run one side of the codec; a crash becomes a failing verdict, and one that no later run reuses."""
    try:
        yield from stage.run(module, config=config, inputs=inputs, out=out, isolated=isolation)
    except PayloadFailed as failure:
        out.mkdir(exist_ok=True)
        stage.reusable = False
        stage.context.log.error(f"{stage.name}: {failure}")
        stage.show(codec_failure=str(failure))
