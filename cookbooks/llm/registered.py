"""Resolves ``model://name@alias`` and ``model://name@version``:
a registered GGUF, or the model it was made of.
"""

from pathlib import Path

from blut_assets.stages import Stage
from blut_resources.registry.models import ModelRegistry, Registration, RegistryError
from blut_resources.store.artifacts import StoreError
from cookbooks.llm.artifacts import HfModel
from cookbooks.llm.hf_dir import model_facts

SCHEME = "model://"


def registered_model(stage: Stage, text: str) -> HfModel:
    """The merged model of a registered version, in the store, its bytes checked.

    Raises:
        RegistryError: there is no such model, alias or version, or its bytes are gone.
        PromotionRefused: the alias is governed now and stands for what was never judged.
        ModelDirError: the bytes are not those of a model directory.
    """
    record = _record(stage, text)
    digest = record.inputs.get("merged", "")
    what, instead = "the model that its GGUF was made of", "give a model directory"
    root = _opened(stage, text, record, digest, what, instead)
    stage.show(resolved=record.model, gguf=record.candidate, registered_by=record.run)
    return HfModel(digest=digest, **model_facts(root))


def registered_gguf(stage: Stage, text: str) -> tuple[str, str]:
    """The digest of a registered version's GGUF, its bytes in the store and checked, and ``name@version``.

    Raises:
        RegistryError, PromotionRefused: as `registered_model`.
    """
    record = _record(stage, text)
    _opened(stage, text, record, record.candidate, "its GGUF", "give a .gguf file")
    return record.candidate, record.model


def _record(stage: Stage, text: str) -> Registration:
    registry = ModelRegistry(stage.store.root / "registry")
    try:
        return registry.registration(text.removeprefix(SCHEME))
    except RegistryError as error:
        known = ", ".join(registry.names()) or "none"
        raise RegistryError(
            f"model {text!r}: {error}; registered models: {known} (`blut model list`)"
        ) from error


def _opened(stage: Stage, text: str, record: Registration, digest: str, what: str, instead: str) -> Path:
    try:
        return stage.store.open(digest)
    except StoreError as error:
        raise RegistryError(
            f"model {text!r} is {record.model}, but {what} is not to be had: {error} Run its recipe again"
            f" with the args of run {record.run}, or {instead}"
        ) from error
