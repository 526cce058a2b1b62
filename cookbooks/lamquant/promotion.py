"""Promotes: only here a codec gets a name, and the verdict is taken as data."""

import json
from datetime import timedelta

import dagster as dg

from blut_assets.stages import Stage, stage_asset
from blut_resources.registry.models import Authority, ModelRegistry, RegistryError
from blut_resources.registry.verdicts import PromotionRefused
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.artifacts import (
    FloorRegistry,
    JointCkpt,
    LmaCorpus,
    PccpVerdict,
    PromotedCodec,
    SplitManifest,
)
from cookbooks.lamquant.configs.promotion import PromotedCodecConfig
from cookbooks.lamquant.gate.floors import REGISTRY_FILE, floors_in_force
from cookbooks.lamquant.gate.split import SPLIT_FILE, parse_split


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


@stage_asset(
    cookbook="lamquant",
    group="promotion",
    side_effect=True,
    headline=["promoted", "alias", "reason"],
    kinds={"json"},
    freshness=dg.FreshnessPolicy.time_window(timedelta(days=90), warn_window=timedelta(days=30)),
)
def promoted_codec(
    stage: Stage,
    joint_checkpoint: JointCkpt,
    pccp_verdict: PccpVerdict,
    lma_corpus: LmaCorpus,
    split_manifest: SplitManifest,
    floor_registry: FloorRegistry,
    config: PromotedCodecConfig,
) -> PromotedCodec:
    """The record of a promotion to ``name@alias``.

    Refused unless the verdict's own bytes say that exactly this candidate met exactly the floors now in
    force, on this corpus and split; a governed alias judges by its own floors besides. Without an alias
    nothing is promoted, whatever the verdict.
    """
    promoted, reason = False, "no alias was asked for"
    if config.alias:
        name, separator, alias = config.alias.partition("@")
        if not separator:
            raise RegistryError(f"alias {config.alias!r}: give name@alias, such as lamquant-joint@staging")
        stage.store.verify(joint_checkpoint.digest, full=True)
        registry = ModelRegistry(stage.store.root / "registry")
        split = stage.store.read(split_manifest.digest, SPLIT_FILE)
        refuse_names_alone(registry, config.alias, split)
        versions = registry.versions(name).values()
        _, is_new = registry.promote(
            name,
            alias,
            candidate=joint_checkpoint.digest,
            verdict=pccp_verdict.digest,
            store=stage.store,
            inputs={
                "corpus": lma_corpus.digest,
                "split": split_manifest.digest,
                "registry": floor_registry.digest,
            },
            floors=floors_in_force(
                stage.store.read(floor_registry.digest, REGISTRY_FILE),
                split,
            ),
            version=next((r.version for r in versions if r.candidate == joint_checkpoint.digest), None),
            authority=Authority(allow_worse=config.allow_worse, new_sealed=config.new_sealed),
        )
        promoted, reason = True, "passed the gate" if is_new else "was promoted before"
    record = PromotedCodec(
        alias=config.alias,
        candidate=joint_checkpoint.digest,
        verdict=pccp_verdict.digest,
        promoted=promoted,
        reason=reason,
    )
    decision = {name: value for name, value in record.facts().items() if name != "reason"}
    write_atomic(stage.out / "promotion.json", json.dumps(decision, indent=1, sort_keys=True).encode())
    return record
