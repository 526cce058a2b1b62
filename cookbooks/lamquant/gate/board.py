"""Shows beside the leaderboard where the judged codecs lie in rate and error, by their versions."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from blut_resources.registry.models import ModelRegistry
from blut_resources.store.artifacts import ArtifactStore, StoreError
from cookbooks.lamquant.gate.rate_picture import COLOURS, RATE_FILE, as_markdown, draw_rate


def rate_board(store: ArtifactStore, results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the picture of CR against PRDN of the best results; nothing where no verdict has points.

    Each was measured on the sealed recordings of its own verdict.
    """
    versions = _versions(store)
    curves: dict[str, Any] = {}
    for facts in results:
        candidate = str(facts.get("candidate", ""))
        try:
            found = json.loads(store.read(str(facts["digest"]), RATE_FILE))["curves"]
        except (StoreError, OSError, ValueError, KeyError):
            continue  # judged before points were kept, or no longer in the store
        name = versions.get(candidate) or candidate[:12]
        own = next((points for label, points in found.items() if candidate[:12] in label), None)
        if own and name not in curves and len(curves) < len(COLOURS):
            curves[name] = own
    if not curves:
        return {}
    title = "CR against PRDN, each on the sealed recordings of its verdict"
    return {"rate": dg.MetadataValue.md(as_markdown(draw_rate(title, curves)))}


def _versions(store: ArtifactStore) -> dict[str, str]:
    """Returns the version of each judged candidate, the newest where there are several."""
    registry = ModelRegistry(store.root / "registry")
    known = [(name, record) for name in registry.names() for record in registry.versions(name).values()]
    return {record.candidate: f"{name} version {record.version}" for name, record in known}
