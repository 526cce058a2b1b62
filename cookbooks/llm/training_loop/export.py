"""Writes the checkpoint that a training leaves: an adapter or a whole model, and ``trainer.json``.

Its bytes depend on what was trained from what, not on the place, the hour or the process.
"""

import copy
import importlib.metadata
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.hf_dir import TOKENIZER_PARTS, front_matter, license_of, write_readme
from cookbooks.llm.training_loop.examples import Examples
from cookbooks.llm.training_loop.job import HOW, LIBRARIES, Fitted, Job
from cookbooks.llm.training_loop.progress import curve_of

if TYPE_CHECKING:
    from transformers import Trainer


def export(
    job: Job, trainer: "Trainer", configs: Mapping[str, Any], examples: Examples, fitted: Fitted, **more: Any
) -> dict[str, Any]:
    """Write the checkpoint; returns its facts.

    Args:
        configs: of the model as it came, from `configs_of`.
        more: further facts for ``trainer.json``.
    """
    name = base_name(job.base)
    if job.config["method"] == "full":
        _save_model(trainer.model, configs, job.base, job.session.out / "model", name)
    else:
        _save_adapter(trainer.model, job.session.out / "adapter", name)
    facts = job.result(trainer, examples, fitted)
    kept = {k: v for k, v in job.config.items() if k not in HOW}
    story = {
        "schema": 1,
        "kind": job.kind,
        "base_name": name,
        "config": kept,
        "data": examples.facts(),
        "facts": facts,
        **more,
        "before": dict(fitted.before),
        "epochs": fitted.epochs,
        "curve": curve_of(fitted.history),
        "versions": {library: importlib.metadata.version(library) for library in LIBRARIES},
    }
    write_atomic(job.session.out / "trainer.json", _json(story))
    return facts


def configs_of(model: Any) -> dict[str, Any]:
    """Returns the configs of a model before a trainer touches them."""
    return {"config": copy.deepcopy(model.config), "generation": copy.deepcopy(model.generation_config)}


def base_name(base: Path) -> str:
    """Returns what a model directory calls itself."""
    return str(front_matter(base).get("model_name") or base.name)


def _save_adapter(model: Any, folder: Path, name: str) -> None:
    model.save_pretrained(folder)
    (folder / "README.md").unlink(missing_ok=True)
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    # PEFT writes the path that the base was loaded from, and a set in the order of this process
    config["base_model_name_or_path"] = name
    for key, value in config.items():
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            config[key] = sorted(value)
    path.write_bytes(_json(config))


def _save_model(model: Any, configs: Mapping[str, Any], base: Path, folder: Path, name: str) -> None:
    dtype = str(model.dtype).removeprefix("torch.")
    model.config, model.generation_config = configs["config"], configs["generation"]
    model.config.use_cache = True
    model.save_pretrained(folder)
    # as they are: what a trainer set on its tokenizer is not the model's
    for file in TOKENIZER_PARTS:
        if (base / file).is_file():
            shutil.copyfile(base / file, folder / file)
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config.pop("_name_or_path", None)
    path.write_bytes(_json({**config, "dtype": dtype}))
    card = front_matter(base)
    kept = {key: card[key] for key in ("license", "license_name", "license_link", "language") if key in card}
    text = f"# {name}, fine-tuned\n\nAll weights of {name} ({license_of(card)}) were trained further."
    write_readme(folder, {"model_name": name, **kept, "base_model": card.get("base_model", name)}, text)


def _json(value: Mapping[str, Any]) -> bytes:
    return (json.dumps(value, sort_keys=True, indent=1, ensure_ascii=False) + "\n").encode()
