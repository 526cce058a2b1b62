"""Finds out whether a model descends from one that was made of synthetic data."""

from blut_resources.registry.models import ModelRegistry
from blut_resources.registry.verdicts import PromotionRefused, read_verdict
from blut_resources.store.artifacts import ArtifactStore, StoreError


def rests_on_synthetic(registry: ModelRegistry, store: ArtifactStore, model: str) -> bool:
    """Says whether a model came out of a training on synthetic data, by what was registered of it.

    A training on real rows that begins with it does not make it a model of real data. Where its verdict is
    not to be had, nobody can say that it is one.

    Args:
        registry: of the home.
        store: of the home.
        model: digest of a model directory.
    """
    records = (record for name in registry.names() for record in registry.versions(name).values())
    return any(_synthetic(store, one.verdict) for one in records if one.inputs.get("merged") == model)


def _synthetic(store: ArtifactStore, verdict: str) -> bool:
    try:
        return bool(read_verdict(store.open(verdict), verdict).synthetic)
    except (StoreError, PromotionRefused):
        return True
