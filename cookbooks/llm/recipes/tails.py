"""Declares what follows every training: the same assets, once for each way to train."""

from dataclasses import dataclass

import dagster as dg

from cookbooks.llm.gguf import fidelity_check, gguf_asset, merged_asset
from cookbooks.llm.promotion import registered_asset
from cookbooks.llm.verdict import evaluation_asset


@dataclass(frozen=True)
class Tail:
    """Leads from ``<prefix>_checkpoint`` to a judged and registered GGUF."""

    prefix: str
    merged: dg.AssetsDefinition
    gguf: dg.AssetsDefinition
    evaluation: dg.AssetsDefinition
    registered: dg.AssetsDefinition
    check: dg.AssetChecksDefinition

    @property
    def assets(self) -> list[dg.AssetsDefinition]:
        """Returns the assets in the order the data flows."""
        return [self.merged, self.gguf, self.evaluation, self.registered]


def tail(prefix: str, split: str) -> Tail:
    """Returns the tail of ``<prefix>_checkpoint``, compared and judged on the held-out side of ``split``."""
    quantised = gguf_asset(prefix, split)
    return Tail(
        prefix=prefix,
        merged=merged_asset(prefix),
        gguf=quantised,
        evaluation=evaluation_asset(prefix, split),
        registered=registered_asset(prefix, split),
        check=fidelity_check(quantised),
    )


SFT = tail("sft", "sft_split")
DPO = tail("dpo", "preference_split")
DISTILLED = tail("distilled", "sft_split")
