"""``model://name@alias`` and ``model://name@version``: the model that a registered GGUF was made of."""

from blut_assets.stage import Stage
from blut_resources.registry import ModelRegistry, RegistryError
from blut_resources.store import StoreError
from cookbooks.llm.artifacts import HfModel
from cookbooks.llm.hf_dir import model_facts

SCHEME = "model://"


def registered_model(stage: Stage, text: str) -> HfModel:
    """The merged model of a registered version, in the store, its bytes checked.

    Raises:
        RegistryError: there is no such model, alias or version, or its bytes are gone.
        PromotionRefused: the alias is governed now and stands for what was never judged.
        ModelDirError: the bytes are no model directory.
    """
    registry = ModelRegistry(stage.store.root / "registry")
    try:
        record = registry.registration(text.removeprefix(SCHEME))
    except RegistryError as error:
        known = ", ".join(registry.names()) or "none"
        raise RegistryError(
            f"model {text!r}: {error}; registered models: {known} (`blut model list`)"
        ) from error
    digest = record.inputs.get("merged", "")
    try:
        root = stage.store.open(digest)
    except StoreError as error:
        raise RegistryError(
            f"model {text!r} is {record.model}, but the model that its GGUF was made of is not to be had:"
            f" {error} Run its recipe again with the args of run {record.run}, or give a model directory"
        ) from error
    stage.show(resolved=record.model, gguf=record.candidate, registered_by=record.run)
    return HfModel(digest=digest, **model_facts(root))
