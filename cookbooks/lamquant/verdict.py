"""Judges, fail-closed: encode in one process, decode in another, judge what came out."""

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.retrying import gate_check
from blut_assets.stages import Stage, Steps, stage_asset
from blut_resources.containment.sandbox.isolation import Isolation
from blut_resources.instance.instance import store_of
from blut_resources.payloads.isolated import plain_copy
from blut_resources.payloads.payload import PayloadFailed
from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.records import stack_of
from blut_resources.registry.verdicts import EACH, VERDICT_FILE, Criterion, Floor, parse_verdict
from blut_resources.store.artifacts import ArtifactStore, StoreError
from cookbooks.lamquant.artifacts import (
    FloorRegistry,
    JointCkpt,
    LmaCorpus,
    PccpVerdict,
    SplitManifest,
    TrainingWindows,
)
from cookbooks.lamquant.configs.verdict import PccpVerdictConfig
from cookbooks.lamquant.corpus import corpus_inputs
from cookbooks.lamquant.gate.floors import CORPUS
from cookbooks.lamquant.gate.page import shown
from cookbooks.lamquant.gate.rate_picture import RATE_FILE
from cookbooks.lamquant.gate.split import SPLIT_FILE, parse_split, sealed_digest

CODEC_ENCODE = "cookbooks.lamquant.payload.codec_encode"
CODEC_DECODE = "cookbooks.lamquant.payload.codec_decode"
INCUMBENT = "incumbent"
VERDICT_SCORE = "cookbooks.lamquant.payload.verdict_score"
VERDICT_PICTURES = "cookbooks.lamquant.payload.pictures_build"
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
"""What is loaded in the processes of the verdict, some of it only where it is there."""
KEPT = ("corpus", "split", "registry")
"""Inputs of a verdict that a registered codec keeps from collection."""
HEADLINE = ("cr", "worst_cr", "worst_prdn", "worst_r")


def register(stage: Stage, judged: PccpVerdict) -> None:
    """Make the judged codec a version in the model registry, whether it passed or not.

    The same verdict again adds nothing, unless the version was retired since.
    """
    verdict = parse_verdict(stage.store.read(judged.digest, VERDICT_FILE))
    registry = ModelRegistry(stage.store.root / "registry")
    retired = registry.retired(verdict.model)
    for known in registry.versions(verdict.model).values():
        if known.verdict == judged.digest and known.version not in retired:
            return
    record = registry.register(
        verdict.model,
        candidate=verdict.candidate,
        inputs={name: verdict.inputs[name] for name in KEPT},
        verdict=judged.digest,
        passed=verdict.passed,
        floors=_for_each(verdict.criteria),
        figures=verdict.measurements,
        license="unknown",
        run=stage.context.run.run_id,
        headline=HEADLINE,
    )
    stage.context.log.info(f"{stage.name}: registered as {record.model}")


def _for_each(criteria: Sequence[Criterion]) -> list[Floor]:
    """Returns the floors of a verdict without the recordings: they are alike for each."""
    floors = (criterion.as_floor() for criterion in criteria)
    return list(
        dict.fromkeys(f if f.scope == CORPUS else f.model_copy(update={"scope": EACH}) for f in floors)
    )


def incumbent(
    store: ArtifactStore, inputs: Mapping[str, str], config: PccpVerdictConfig
) -> Mapping[str, str]:
    """Returns what ``config.promote_as`` stands for, or stood for before the candidate took its place.

    A verdict compares the candidate with it, so a verdict made beside another one answers no later run. It is
    the same after the candidate was promoted, so a run that is repeated finds its own verdict.
    """
    name, separator, alias = config.promote_as.partition("@")
    if not separator:
        return {}
    stack = stack_of(ModelRegistry(store.root / "registry").history(name), alias)
    others = [entry.candidate for entry in stack if entry.candidate != inputs["joint_checkpoint"]]
    return {INCUMBENT: others[-1]} if others else {}


@stage_asset(
    cookbook="lamquant",
    group="verdict",
    on_result=register,
    looks_up=incumbent,
    show=shown,
    payloads=[CODEC_ENCODE, CODEC_DECODE, VERDICT_SCORE, VERDICT_PICTURES],
    headline=["passed", "worst_cr", "worst_prdn", "worst_r"],
    kinds={"json"},
    distributions=DISTRIBUTIONS,
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
        coded = yield from _coded(stage, candidate, sealed, Path(scratch, "candidate"))
        other = yield from _incumbent_coded(stage, sealed, Path(scratch, "incumbent"))
        facts = yield from stage.run(
            VERDICT_SCORE,
            config={
                "candidate_digest": joint_checkpoint.digest,
                "corpus_digest": lma_corpus.digest,
                "split_digest": split_manifest.digest,
                "registry_digest": floor_registry.digest,
                "incumbent_digest": stage.looked_up.get(INCUMBENT),
                "tries": _tries(stage, joint_checkpoint, lma_corpus, split_manifest, floor_registry),
                "split": "test",
                "change": config.fingerprinted(),
                "isolation": stage.isolation,
                "environment": stage.environment.as_dict(),
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
        # what was judged is kept with the judgement, so that somebody else can judge it again
        plain_copy(coded["bitstreams"], stage.out / BITSTREAMS, BITSTREAM_SUFFIX)
        shutil.copyfile(windows / WINDOWS_INDEX, stage.out / WINDOWS_INDEX)
    return PccpVerdict(**facts)


def _coded(stage: Stage, checkpoint: Path, sealed: dict[str, Path], scratch: Path) -> Steps[Any]:
    """Encode the sealed recordings in one process and decode them in another that cannot see them."""
    scratch.mkdir()
    bitstreams, decoded = scratch / "bitstreams", scratch / "decoded"
    seen = {"checkpoint": checkpoint, **{name: path for name, path in sealed.items() if name != "windows"}}
    yield from _attempt(stage, CODEC_ENCODE, {"split": "test"}, seen, bitstreams, Isolation())
    sent = plain_copy(bitstreams, scratch / "sent", BITSTREAM_SUFFIX)
    received = {"checkpoint": checkpoint, "bitstreams": sent}
    blind = Isolation(hidden=tuple(sealed.values()))
    yield from _attempt(stage, CODEC_DECODE, {}, received, decoded, blind)
    return {"bitstreams": bitstreams, "decoded": decoded}


def _incumbent_coded(stage: Stage, sealed: dict[str, Path], scratch: Path) -> Steps[Any]:
    """The files of what would be replaced; none if there is nothing, or if its bytes are lost."""
    digest = stage.looked_up.get(INCUMBENT)
    if digest is None:
        return {}
    try:
        checkpoint = stage.store.open(digest)
    except StoreError as error:
        stage.context.log.warning(f"{stage.name}: what it would replace cannot be measured: {error}")
        stage.reusable = False
        return {}
    coded = yield from _coded(stage, checkpoint, sealed, scratch)
    return {INCUMBENT: checkpoint, **coded}


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


def _tries(
    stage: Stage, candidate: JointCkpt, corpus: LmaCorpus, split: SplitManifest, floors: FloorRegistry
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


def _attempt(
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


@gate_check(asset=pccp_verdict, name="pccp_gate")
def pccp_gate(context: dg.AssetCheckExecutionContext, pccp_verdict: PccpVerdict) -> dg.AssetCheckResult:
    """Returns the candidate meets every floor of the registry."""
    verdict = parse_verdict(store_of(context.instance).read(pccp_verdict.digest, VERDICT_FILE))
    level = "none" if pccp_verdict.grade == "below" else pccp_verdict.grade
    passed = f"every floor met; LQS level: {level}; least margin: {pccp_verdict.worst_part}"
    return dg.AssetCheckResult(
        passed=verdict.passed,
        description="; ".join(verdict.reasons) or passed,
        metadata={k: v for k, v in pccp_verdict.facts().items() if v is not None},
    )
