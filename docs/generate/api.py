"""The Python names that cookbooks and programs use: exactly these are the API, each from its docstring."""

import importlib
import inspect
import typing
from types import ModuleType
from typing import Any

API: dict[str, dict[str, tuple[str, ...]]] = {
    "Artifacts and assets": {
        "blut_assets.artifacts": ("Artifact",),
        "blut_assets.stages": ("stage_asset", "Stage", "StageConfig", "Footprint"),
        "blut_assets.stages.limits": ("LimitsConfig",),
        "blut_assets.stages.options": ("AssetOptions",),
    },
    "Recipes and cookbooks": {
        "blut_assets.recipes": ("Recipe", "RecipeArgs", "Metric", "Cookbook", "config_from"),
        "blut_assets.tools": ("Tool",),
        "blut_assets.datasets": ("DataKind",),
        "blut_resources.runs.intent": ("Intents",),
    },
    "Gates and promotion": {
        "blut_assets.retrying": ("gate_check",),
        "blut_resources.registry.verdicts": (
            "Floor",
            "Criterion",
            "Verdict",
            "judge",
            "require_pass",
            "PromotionRefused",
        ),
        "blut_assets.floors": ("FloorsFormat",),
    },
    "Reading results": {
        "blut_resources.registry.models": (
            *("ModelRegistry", "Registration", "Entry", "Governance", "Authority", "RegistryError"),
            *("registry_name", "governed_aliases"),
        ),
        "blut_resources.store.artifacts": ("ArtifactStore", "StoreError"),
        "blut_resources.instance.instance": ("open_instance", "store_of"),
        "cookbooks.lamquant.codec.checkpoint": ("load_checkpoint",),
    },
    "Testing": {"blut_assets.testing": ("blut_instance", "materialize", "provide")},
}
"""Heading, module, names."""
WHOLE = {"blut_assets.testing", "blut_resources.registry.models"}
"""Modules that offer nothing else than API."""


def api() -> str:
    """A section for each heading, with a directive of autodoc for each name.

    Raises:
        LookupError: if a module of the API offers a name that is not listed here, or a listed name has no
            docstring.
    """
    sections = []
    for heading, modules in API.items():
        entries = [entry for name, names in modules.items() for entry in _entries(name, names)]
        sections.append(f"## {heading}\n\n" + "\n\n".join(entries))
    return "\n\n".join(sections)


def _entries(module_name: str, names: tuple[str, ...]) -> list[str]:
    module = importlib.import_module(module_name)
    offered = set(module.__all__) if module_name in WHOLE else set()
    if forgotten := offered - set(names):
        raise LookupError(f"{module_name} offers {', '.join(sorted(forgotten))}: list them in {__name__}")
    return [_entry(module, name) for name in names]


def _entry(module: ModuleType, name: str) -> str:
    thing: Any = getattr(module, name)
    if not inspect.getdoc(thing):
        raise LookupError(f"{module.__name__}.{name} has no docstring")
    if not inspect.isclass(thing):
        directive = "autofunction"
        options = []
    else:
        directive = "autoclass"
        options = [":members:", ":exclude-members: model_config", *_all_fields(thing)]
    lines = [f".. {directive}:: {module.__name__}.{name}", *(f"   {option}" for option in options)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```"


def _all_fields(thing: type) -> list[str]:
    return [":undoc-members:"] if typing.is_typeddict(thing) else []
