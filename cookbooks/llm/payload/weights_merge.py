"""Merges a checkpoint and the model it was trained from into one model directory, complete and plain.

An adapter is added to the base in float32 and saved so: in bfloat16 the sum would lose more than
a 16-bit GGUF does. A whole model is copied. Tokenizer and chat template are the base's own files: what a
trainer put in their place must not reach users.
"""

import functools
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from blut_resources.payload_kit.config import Bounds, read_config, read_inputs
from blut_resources.payload_kit.refuse import Refused
from blut_resources.payload_kit.session import payload_session
from cookbooks.llm.models.directory import (
    front_matter,
    model_config,
    model_facts,
    read_json,
    tensor_shapes,
    text_config,
    weight_files,
    write_readme,
)
from cookbooks.llm.training_loop.loading import OPTIONAL, left_out, load_whole
from cookbooks.llm.training_loop.process import prepare_process

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.gguf", "config.json", "README.md")
"""Files of a model directory that are not its tokenizer's; the rest is copied from the base."""
HEADS = {"embed_tokens", "lm_head", "wte", "embed_in", "embed_out"}
INHERITED = ("license", "license_name", "license_link", "language", "pipeline_tag", "library_name")


@dataclass(frozen=True)
class MergeSettings:
    """Holds the name of the new model."""

    name: str
    threads: Annotated[int, Bounds(1, 256)] = 1


@dataclass(frozen=True)
class MergeInputs:
    """Names the inputs: a model directory, and a checkpoint with ``adapter/`` or ``model/``."""

    base: Path
    checkpoint: Path


def merge(base: Path, checkpoint: Path, out: Path) -> None:
    """Write weights and config of the tuned model.

    Raises:
        Refused: the checkpoint is none, is not one of this base, or holds numbers that are not finite.
    """
    if (checkpoint / "adapter" / "adapter_config.json").is_file():
        _refuse_unmergeable(base, checkpoint / "adapter")
        _merge_adapter(base, checkpoint / "adapter", out)
        _refuse_other_shapes(base, out)
    elif (checkpoint / "model" / "config.json").is_file():
        _refuse_other_shapes(base, checkpoint / "model")
        for path in (checkpoint / "model").iterdir():
            if any(path.match(pattern) for pattern in WEIGHTS) and path.name != "README.md":
                shutil.copyfile(path, out / path.name)
    else:
        raise Refused(f"checkpoint: holds neither adapter/ nor model/, but {_listing(checkpoint)}")


def _merge_adapter(base: Path, adapter: Path, out: Path) -> None:
    import torch
    from peft import PeftModel
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()
    model: Any = load_whole(base, dtype=torch.float32)
    generation, config = model.generation_config, read_json(base / "config.json")
    try:
        # "safe": refuses to add numbers that are not finite
        merged = PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(safe_merge=True)
    except (ValueError, RuntimeError) as error:
        raise Refused(f"checkpoint: the adapter cannot be merged into this base model: {error}") from error
    merged.generation_config = generation
    merged.save_pretrained(out)
    # transformers writes the class and the dtype that it loaded; all else stays as the base has it
    _write_json(out / "config.json", {**config, "dtype": "float32"})
    (out / "generation_config.json").unlink(missing_ok=True)


def _refuse_unmergeable(base: Path, adapter: Path) -> None:
    config, tied = read_json(adapter / "adapter_config.json"), text_config(model_config(base))
    if "quantization_config" in model_config(base):
        raise Refused(
            "base_model: is quantised: merging into it would lose most of what was learned; give the"
            " unquantised model that it was made of"
        )
    named = config.get("target_modules") or []
    touched = {*([named] if isinstance(named, str) else named), *(config.get("modules_to_save") or [])}
    if tied.get("tie_word_embeddings") and (heads := sorted(touched & HEADS)):
        raise Refused(
            f"checkpoint: the adapter changes {', '.join(heads)}, but the base ties its embeddings to its"
            " output: merging would change one of them and not the other; train without these modules, or all"
            " weights"
        )


def _refuse_other_shapes(base: Path, tuned: Path) -> None:
    """Refuse what lacks a tensor that is loaded of the base, or does not fit its tokenizer and config."""
    before, after = (
        {name: shape for name, (_, shape) in tensor_shapes(folder).items() if not OPTIONAL.search(name)}
        for folder in (base, tuned)
    )
    unread = left_out(base)
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name) and (name in after or not unread.search(name)):
            raise Refused(
                f"checkpoint: tensor {name} has shape {after.get(name)}, and {before.get(name)} in the base:"
                " it was trained from another model; give that one as base_model"
            )


def copy_tokenizer(base: Path, out: Path) -> None:
    """Copy everything in the base's directory that is not its weights, config or README."""
    for path in base.iterdir():
        if path.is_file() and not any(path.match(pattern) for pattern in (*WEIGHTS, "built.json")):
            shutil.copyfile(path, out / path.name)


def describe(base: Path, checkpoint: Path, out: Path, name: str) -> None:
    """Write the README of the tuned model: licence and origin are the base's."""
    card, facts = front_matter(base), model_facts(base)
    published = card.get("base_model")
    # a base that is a copy of a published model, and says so, is named as it was published
    named = isinstance(published, str) and published.rpartition("/")[2] == facts["name"]
    parent = published if named else facts["name"]
    inherited = {key: card[key] for key in INHERITED if key in card}
    story = read_json(checkpoint / "trainer.json") if (checkpoint / "trainer.json").is_file() else {}
    kind = story.get("kind", "trained")
    write_readme(
        out,
        {"model_name": name, **inherited, "base_model": parent},
        f"# {name}\n\n{facts['name']} ({facts['license']}), fine-tuned ({kind}) with Blut.",
    )


def changed_tensors(base: Path, out: Path) -> tuple[int, int]:
    """Returns how many tensors are not what they were in the base, and how many there are."""
    import torch

    before = dict(_tensors(base))
    after = dict(_tensors(out))
    shared = before.keys() & after.keys()
    same = sum(torch.equal(before[name]().float(), after[name]().float()) for name in shared)
    return len(after) - same, len(after)


def _tensors(folder: Path) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yields each tensor by name, read when it is called for."""
    from safetensors import safe_open

    for path in weight_files(folder):
        file: Any = safe_open(path, "pt").__enter__()
        for name in list(file.keys()):
            yield name, functools.partial(file.get_tensor, name)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _listing(folder: Path) -> str:
    return ", ".join(sorted(path.name for path in folder.iterdir())) or "nothing"


def main() -> None:
    """Merge what the config names."""
    with payload_session() as session:
        settings, inputs = read_config(session, MergeSettings), read_inputs(session, MergeInputs)
        prepare_process(settings.threads)
        base, checkpoint = inputs.base, inputs.checkpoint
        merge(base, checkpoint, session.out)
        copy_tokenizer(base, session.out)
        describe(base, checkpoint, session.out, settings.name)
        for path in session.out.iterdir():
            path.chmod(0o644)
        changed, total = changed_tensors(base, session.out)
        session.done(**model_facts(session.out), changed_tensors=changed, tensors=total)


if __name__ == "__main__":
    main()
