"""Makes the forms in which `blut model export` hands out a language model."""

import json
from pathlib import Path

from blut_assets.model_forms import FormFiles, FormRefused, ModelBytes, files_below
from cookbooks.llm.exports.blocks import NotBlocks
from cookbooks.llm.exports.ollama import modelfile
from cookbooks.llm.models.directory import front_matter

GGUF, MERGED, CHECKPOINT, CARD = "model.gguf", "merged", "checkpoint", "README.md"
TEXT = {"pipeline_tag": "text-generation"}


def as_gguf(model: ModelBytes) -> FormFiles:
    """Returns the file, and how faithful it is to the model that it was made of."""
    return FormFiles(files_below(_gguf(model).parent), TEXT)


def as_hf(model: ModelBytes) -> FormFiles:
    """Returns the tuned model as transformers reads it, unquantised."""
    root = model.path(MERGED)
    return FormFiles(
        {name: path for name, path in files_below(root).items() if name != CARD}, front_matter(root)
    )


def as_adapter(model: ModelBytes) -> FormFiles:
    """Returns the adapter as PEFT reads it.

    Raises:
        FormRefused: all weights were trained.
    """
    folder = model.path(CHECKPOINT) / "adapter"
    if not folder.is_dir():
        raise FormRefused(f"{model.reference} has no adapter: all its weights were trained; take --as hf")
    base = front_matter(model.path(MERGED)).get("base_model")
    front = {"library_name": "peft", **TEXT, **({"base_model": base} if base else {})}
    return FormFiles({name: path for name, path in files_below(folder).items() if name != CARD}, front)


def as_ollama(model: ModelBytes) -> FormFiles:
    """Returns the GGUF with a Modelfile: ``ollama create NAME -f Modelfile`` takes both.

    Raises:
        FormRefused: Ollama's templates cannot say what the model's chat template does.
    """
    gguf = _gguf(model)
    story = json.loads((model.path(CHECKPOINT) / "trainer.json").read_bytes())
    try:
        text = modelfile(gguf, model.path(MERGED), (story.get("config") or {}).get("seq_len"))
    except NotBlocks as error:
        raise FormRefused(
            f"its chat template cannot be said in Ollama's: {error}; take --as gguf, and what renders the"
            " template itself, such as llama-server"
        ) from error
    return FormFiles({GGUF: gguf, "Modelfile": text.encode()}, TEXT)


def _gguf(model: ModelBytes) -> Path:
    path = model.path("candidate") / GGUF
    if not path.is_file():
        raise FormRefused(f"{model.reference} is no language model: its candidate has no {GGUF}")
    return path


FORMS = {"gguf": as_gguf, "hf": as_hf, "adapter": as_adapter, "ollama": as_ollama}
