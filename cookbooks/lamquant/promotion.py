"""Promotes: only here a candidate gets a name, and the verdict is taken as data. Once for each gate."""

import json
from datetime import timedelta

import dagster as dg

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, stage_asset
from blut_resources.registry.models import Authority, ModelRegistry, RegistryError
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.artifacts.corpus import LmaCorpus, SplitManifest
from cookbooks.lamquant.artifacts.firmware import DeviceVerdict, FirmwareBundle
from cookbooks.lamquant.artifacts.pipeline import AdaptiveCodec
from cookbooks.lamquant.artifacts.promotion import PromotedCodec
from cookbooks.lamquant.artifacts.training import DecoderCkpt, JointCkpt, SnnCkpt, TeacherCkpt
from cookbooks.lamquant.artifacts.verdicts import (
    DecoderVerdict,
    FloorRegistry,
    OracleVerdict,
    PccpVerdict,
    PipelineVerdict,
    SnnVerdict,
)
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.gate.floors import REGISTRY_FILE
from cookbooks.lamquant.gate.in_force import floors_in_force
from cookbooks.lamquant.gate.split import SPLIT_FILE, parse_split

FRESHNESS = dg.FreshnessPolicy.time_window(timedelta(days=90), warn_window=timedelta(days=30))
PASSED, NO_ALIAS = "passed the gate", "no alias was asked for"


def refuse_names_alone(registry: ModelRegistry, model: str, split: bytes) -> None:
    """Refuse, for a governed alias, a split that tells patients apart by names of files alone.

    Args:
        model: ``name@alias``.
        split: the bytes of ``split.json``; they are believed, whatever a verdict says.

    Raises:
        PromotionRefused: with the remedy.
    """
    name, _, alias = model.partition("@")
    if registry.is_governed(name, alias) and (doubts := parse_split(split).reservations()):
        raise PromotionRefused(f"{model} is governed, but {'; '.join(doubts)}")


def promotion_of(
    name: str,
    candidate: tuple[str, type[Artifact]],
    verdict: tuple[str, type[Artifact]],
    floors: str,
) -> dg.AssetsDefinition:
    """Returns the asset that gives a judged candidate its name.

    Args:
        name: of the asset.
        candidate: the asset that is promoted, and what it makes.
        verdict: the asset that judged it, and what it makes.
        floors: the asset with the floors that it was judged by.
    """

    def promoted(
        stage: Stage,
        candidate: Artifact,
        verdict: Artifact,
        lma_corpus: LmaCorpus,
        split_manifest: SplitManifest,
        floors: FloorRegistry,
        config: PromotedCodecConfig,
    ) -> PromotedCodec:
        """The record of a promotion to ``name@alias``.

        Refused unless the verdict's own bytes say that exactly this candidate met exactly the floors now in
        force, on this corpus and split; a governed alias judges by its own floors besides. Without an alias
        nothing is promoted, whatever the verdict. Where nothing is, or was before, nothing is any fresher.
        """
        inputs = {
            "corpus": lma_corpus.digest,
            "split": split_manifest.digest,
            "registry": floors.digest,
        }
        reason = NO_ALIAS
        if config.alias:
            reason = _promote(stage, candidate.digest, verdict.digest, inputs, floors.model, config)
        record = PromotedCodec(
            alias=config.alias,
            candidate=candidate.digest,
            verdict=verdict.digest,
            promoted=bool(config.alias),
            reason=reason,
        )
        stage.news = reason == PASSED
        decision = {name: value for name, value in record.facts().items() if name != "reason"}
        write_atomic(stage.out / "promotion.json", json.dumps(decision, indent=1, sort_keys=True).encode())
        return record

    # by these the inputs are read
    promoted.__annotations__ |= {"candidate": candidate[1], "verdict": verdict[1]}
    return stage_asset(
        cookbook="lamquant",
        group="promotion",
        name=name,
        ins={"candidate": candidate[0], "verdict": verdict[0], "floors": floors},
        side_effect=True,
        headline=["promoted", "alias", "reason"],
        kinds={"json"},
        freshness=FRESHNESS,
    )(promoted)


def _promote(
    stage: Stage,
    candidate: str,
    verdict: str,
    inputs: dict[str, str],
    model: str,
    config: PromotedCodecConfig,
) -> str:
    """Let the alias stand for the candidate; returns in words how that came to be."""
    name, separator, alias = config.alias.partition("@")
    if not separator:
        raise RegistryError(f"alias {config.alias!r}: give name@alias, such as {model}@staging")
    stage.store.verify(candidate, full=True)
    registry = ModelRegistry(stage.store.root / "registry")
    split = stage.store.read(inputs["split"], SPLIT_FILE)
    refuse_names_alone(registry, config.alias, split)
    versions = registry.versions(name).values()
    _, is_new = registry.promote(
        name,
        alias,
        candidate=candidate,
        verdict=verdict,
        store=stage.store,
        inputs=inputs,
        floors=floors_in_force(stage.store.read(inputs["registry"], REGISTRY_FILE), split),
        version=next((r.version for r in versions if r.candidate == candidate), None),
        authority=Authority(allow_worse=config.allow_worse, new_sealed=config.new_sealed),
    )
    return PASSED if is_new else "was promoted before"


promoted_codec = promotion_of(
    "promoted_codec", ("joint_checkpoint", JointCkpt), ("pccp_verdict", PccpVerdict), "floor_registry"
)
promoted_snn = promotion_of(
    "promoted_snn", ("snn_checkpoint", SnnCkpt), ("snn_verdict", SnnVerdict), "snn_floors"
)
promoted_oracle = promotion_of(
    "promoted_oracle",
    ("teacher_checkpoint", TeacherCkpt),
    ("oracle_verdict", OracleVerdict),
    "oracle_floors",
)
promoted_decoder = promotion_of(
    "promoted_decoder",
    ("decoder_checkpoint", DecoderCkpt),
    ("decoder_verdict", DecoderVerdict),
    "decoder_floors",
)
promoted_pipeline = promotion_of(
    "promoted_pipeline",
    ("adaptive_codec", AdaptiveCodec),
    ("pipeline_verdict", PipelineVerdict),
    "pipeline_floors",
)
promoted_device = promotion_of(
    "promoted_device", ("firmware_bundle", FirmwareBundle), ("device_verdict", DeviceVerdict), "device_floors"
)
