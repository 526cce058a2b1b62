"""Promotion: the only way a codec gets a name, and it takes the verdict as data."""

import json

from blut_assets.stage import Stage
from blut_assets.stages import stage_asset
from blut_resources.registry import ModelRegistry, RegistryError
from blut_resources.store import write_atomic
from cookbooks.lamquant.artifacts import JointCkpt, PccpVerdict, PromotedCodec
from cookbooks.lamquant.configs import PromotedCodecConfig


@stage_asset(cookbook="lamquant", group="promotion", side_effect=True, kinds={"json"})
def promoted_codec(
    stage: Stage, joint_checkpoint: JointCkpt, pccp_verdict: PccpVerdict, config: PromotedCodecConfig
) -> PromotedCodec:
    """The record of a promotion to ``name@alias``.

    Refused unless the verdict's own bytes say that exactly this candidate passed. Without an alias nothing
    is promoted, whatever the verdict.
    """
    promoted, reason = False, "no alias was asked for"
    if config.alias:
        name, separator, alias = config.alias.partition("@")
        if not separator:
            raise RegistryError(f"alias {config.alias!r}: give name@alias, such as lamquant_joint@staging")
        registry = ModelRegistry(stage.store.root / "registry")
        _, is_new = registry.promote(
            name,
            alias,
            candidate=joint_checkpoint.digest,
            verdict=pccp_verdict.digest,
            artifact=stage.open(pccp_verdict),
        )
        promoted, reason = True, "passed the gate" if is_new else "was promoted before"
    record = PromotedCodec(
        alias=config.alias,
        candidate=joint_checkpoint.digest,
        verdict=pccp_verdict.digest,
        promoted=promoted,
        reason=reason,
    )
    write_atomic(stage.out / "promotion.json", json.dumps(record.facts(), indent=1, sort_keys=True).encode())
    return record
