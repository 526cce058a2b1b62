"""The Python names that cookbooks and programs use: exactly these are the API, each from its docstring."""

import importlib
import inspect
import re
import typing
from types import ModuleType
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

API: dict[str, dict[str, tuple[str, ...]]] = {
    "Artifacts and assets": {
        "blut_assets.artifacts": ("Artifact",),
        "blut_assets.stages": (
            *("stage_asset", "Stage", "StageConfig", "Footprint", "NotYet"),
            *("Notice", "Noticed", "none_refused"),
        ),
        "blut_assets.stages.spec": ("Steps",),
        "blut_assets.stages.limits": ("LimitsConfig",),
        "blut_assets.stages.options": ("AssetOptions",),
        "blut_resources.containment.sandbox.isolation": ("Isolation",),
        "blut_assets.automation": ("on_new_version",),
        "blut_assets.deployment": ("BlutStore", "BlutRegistry", "BlutTracker", "BlutContainment"),
        "blut_assets.stages.external": ("external", "ExternalArtifact"),
        "blut_assets.building": ("build_definitions",),
    },
    "Payloads": {
        "blut_resources.payload_kit.session": ("payload_session", "PayloadSession"),
        "blut_resources.payload_kit.config": ("read_config", "read_inputs", "Bounds"),
        "blut_resources.payload_kit.refuse": ("Refused", "explained"),
        "blut_resources.payload_kit.ending": ("Ending",),
        "blut_resources.payload_kit.say": ("say",),
        "blut_resources.payload_kit.seed": ("seed_everything",),
        "blut_resources.payload_kit.device": ("choose_device", "use_threads"),
        "blut_resources.payload_kit.cache": ("ensure_built", "ensure_package"),
    },
    "Any Pipes script": {
        "blut_resources.pipes": ("ContainedPipesClient",),
    },
    "Recipes and cookbooks": {
        "blut_assets.recipes": (
            *("Recipe", "RecipeArgs", "Metric", "Cookbook", "config_from", "like", "variant"),
            "ArgsError",
        ),
        "blut_assets.paths": ("AsPath",),
        "blut_assets.changes": ("ChangeArgs", "ChangeFields", "refuse_unanswered"),
        "blut_assets.tools": ("Tool",),
        "blut_assets.datasets": ("DataKind",),
        "blut_resources.runs.intent": ("Intents",),
    },
    "Gates and promotion": {
        "blut_assets.retrying": ("gate_check",),
        "blut_resources.registry.verdicts": (
            *("Floor", "Criterion", "Change", "Verdict", "judge", "parse_verdict"),
            *("require_pass", "PromotionRefused"),
        ),
        "blut_resources.registry.models": ("Registration", "Entry", "Authority", "RegistryError"),
        "blut_assets.floors": ("FloorsFormat",),
    },
    "Results and files": {
        "blut_resources.registry": ("ModelRegistry",),
        "blut_resources.store": ("ArtifactStore",),
        "blut_resources.files.durable": ("StoreError", "write_atomic"),
        "blut_resources.instance.instance": ("open_instance", "store_of"),
        "blut_resources.files.digest": ("digest_path", "digest_bytes"),
        "blut_resources.files.documents": ("read_yaml",),
        "cookbooks.lamquant.payload.codec.checkpoint": ("load_checkpoint",),
    },
    "Testing": {"blut_assets.testing": ("blut_instance", "materialize", "provide")},
}
"""Heading, module, names."""
QUALIFIED = re.compile(r"(?<![\w'\".])(?:\w+\.)+(?=\w)")
"""The modules before a name."""
WHOLE = {
    *("blut_assets.stages", "blut_assets.recipes", "blut_assets.testing"),
    *("blut_resources.registry", "blut_resources.store"),
}
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


def listed() -> set[str]:
    """Every name of the API, without its module."""
    return {name for modules in API.values() for names in modules.values() for name in names}


def _entries(module_name: str, names: tuple[str, ...]) -> list[str]:
    module = importlib.import_module(module_name)
    offered = set(module.__all__) if module_name in WHOLE else set()
    if forgotten := offered - listed():
        raise LookupError(f"{module_name} offers {', '.join(sorted(forgotten))}: list them in {__name__}")
    return [_entry(module, name) for name in names]


def _entry(module: ModuleType, name: str) -> str:
    thing: Any = getattr(module, name)
    directive = _directive(thing)
    if directive != "autodata" and not inspect.getdoc(thing):
        raise LookupError(f"{module.__name__}.{name} has no docstring")
    options = [":members:", ":exclude-members: model_config", *_all_fields(thing)]
    shown = options if directive == "autoclass" else []
    lines = [f".. {directive}:: {module.__name__}.{name}", *(f"   {option}" for option in shown)]
    return "```{eval-rst}\n" + "\n".join(lines) + "\n```"


def _directive(thing: Any) -> str:
    if inspect.isclass(thing):
        return "autoclass"
    is_called = callable(thing) and not typing.get_origin(thing)
    return "autofunction" if is_called else "autodata"


def signature(model: type[BaseModel]) -> str:
    """The fields of a model as arguments: their types without pydantic's own notes, and their defaults."""
    hints = typing.get_type_hints(model)
    fields = [_field(name, hints[name], info) for name, info in model.model_fields.items()]
    return f"({', '.join(['*', *fields])})"


def _field(name: str, hint: Any, info: FieldInfo) -> str:
    plain = QUALIFIED.sub("", inspect.formatannotation(hint))
    if info.is_required():
        return f"{name}: {plain}"
    default = info.get_default(call_default_factory=True)
    shown = f"{type(default).__name__}()" if isinstance(default, BaseModel) else repr(default)
    return f"{name}: {plain} = {shown}"


def _all_fields(thing: type) -> list[str]:
    return [":undoc-members:"] if typing.is_typeddict(thing) else []
