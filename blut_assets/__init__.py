"""Speaks the language of the graph: what an artifact is, how an asset makes it, when it may be reused.

What other people's definitions need of it is here by name, and is imported when it is asked for.
"""

from importlib import import_module
from typing import Any

from blut_assets.own_packages import prefer_own

prefer_own()

PLACES = {
    "BlutContainment": "blut_assets.deployment",
    "BlutRegistry": "blut_assets.deployment",
    "BlutStore": "blut_assets.deployment",
    "BlutTracker": "blut_assets.deployment",
    "ExternalArtifact": "blut_assets.stages.external",
    "HANDLES": "blut_assets.stages.handles",
    "build_definitions": "blut_assets.building",
    "external": "blut_assets.stages.external",
    "on_new_version": "blut_assets.automation",
}
"""Name -> its module. A payload imports this package too, and never Dagster."""


def __getattr__(name: str) -> Any:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)
