"""Evaluates models that need not come from a training here: directories, GGUF files, any of them."""

import json
import re
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.payloads.environment import FETCHING
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.artifacts import (
    DatasetJsonl,
    EvalReport,
    ExamplesFile,
    ModelSet,
    TaskSet,
    TokenizerFiles,
)
from cookbooks.llm.configs.corpus import SftDatasetConfig
from cookbooks.llm.configs.suite import FIELDS, SCORED, EvaluatedModelsConfig
from cookbooks.llm.configs.verdict import ScoringConfig
from cookbooks.llm.corpus import DATASET_NORMALISE, normalise
from cookbooks.llm.gate.clean import DISTRIBUTIONS
from cookbooks.llm.llama.own import read_with
from cookbooks.llm.models.registered import SCHEME, registered_gguf
from cookbooks.llm.sources import BASE_BUILD, named_model
from cookbooks.llm.verdict import MODEL_EVALUATE, ROLES, Scored, score

TOKENIZER_TAKE = "cookbooks.llm.payload.tokenizer_take"
MODELS, WEIGHTS, ADAPTER = "models.json", "model.gguf", "adapter.gguf"
PART = re.compile(r"-\d{5}-of-\d{5}\.gguf$")


@stage_asset(
    cookbook="llm",
    group="sources",
    payloads=[BASE_BUILD],
    source=True,
    headline=["names"],
    kinds={"huggingface", "gguf"},
    footprint=Footprint(cpus=1, network=1),
)
def evaluated_models(stage: Stage, config: EvaluatedModelsConfig) -> Steps[ModelSet]:
    """The models that are scored side by side: any of a base, a tuned and a quantised one."""
    found: dict[str, dict[str, str]] = {}
    places: dict[str, str] = {}
    for role, name in config.roles.items():
        root = Path(name)
        if role == "quantised" and name.startswith(SCHEME):
            digest, places[role] = registered_gguf(stage, name)
            found[role] = {"kind": "gguf", "digest": digest}
        elif root.suffix == ".gguf" or (root / WEIGHTS).is_file():
            found[role] = {"kind": "gguf", "digest": _gguf(stage, FIELDS[role], root)}
            places[role] = str(root)
        elif role == "quantised":
            raise dg.Failure(
                f"quantised_path {name!r}: is no .gguf file, nor a directory with {WEIGHTS}, nor"
                " model://name@alias or model://name@version; a whole model is given as model_path",
                allow_retries=False,
            )
        else:
            model = yield from named_model(stage, name)
            found[role], places[role] = {"kind": "hf", "digest": model.digest}, stage.shown.pop("place", name)
    if not found:
        raise dg.Failure(
            f"base_model, model_path, quantised_path: all empty: give a {SCORED}", allow_retries=False
        )
    stage.show(places=dg.MetadataValue.json(places))
    write_atomic(stage.out / MODELS, json.dumps(found, sort_keys=True, indent=1).encode())
    return ModelSet(n_models=len(found), names=", ".join(f"{r} ({m['kind']})" for r, m in found.items()))


def _gguf(stage: Stage, field: str, path: Path) -> str:
    """The digest of a GGUF that stays where it is."""
    files = [path / name for name in (WEIGHTS, ADAPTER) if (path / name).is_file()] if path.is_dir() else None
    weights = files[0] if files else path
    if not weights.is_file():
        raise dg.Failure(f"{field} {str(path)!r}: no such file; give a .gguf file", allow_retries=False)
    with weights.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise dg.Failure(f"{field} {str(path)!r}: does not begin as a GGUF does", allow_retries=False)
    if PART.search(weights.name):
        raise dg.Failure(
            f"{field} {str(path)!r}: is one part of several; join them with `llama-gguf-split --merge`",
            allow_retries=False,
        )
    return stage.store.put_reference(path, files)


def _models(stage: Stage, models: ModelSet) -> dict[str, Scored]:
    found: dict[str, Any] = json.loads((stage.open(models) / MODELS).read_text())
    return {role: Scored(**found[role]) for role in ROLES if role in found}


@stage_asset(
    cookbook="llm",
    group="corpus",
    looks_up=read_with,
    payloads=[TOKENIZER_TAKE],
    headline=["taken_from", "vocab", "chat_template"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def evaluated_tokenizer(stage: Stage, evaluated_models: ModelSet) -> Steps[TokenizerFiles]:
    """The tokenizer and template that the rows are read with: the tuned model's, or that of the next best.

    Those of a GGUF are made into files only where no model directory is given. That every model cuts the rows
    into the same tokens is checked when it is loaded.
    """
    models = _models(stage, evaluated_models)
    order = sorted(
        ("tuned", "base", "quantised"), key=lambda role: role in models and models[role].kind != "hf"
    )
    role = next(role for role in order if role in models)
    facts = yield from stage.run(
        TOKENIZER_TAKE,
        config={"kind": models[role].kind},
        inputs={"model": stage.open(models[role].digest)},
        gpus=0,
        variables=FETCHING,
    )
    return TokenizerFiles(taken_from=role, **facts)


@stage_asset(
    cookbook="llm",
    group="corpus",
    payloads=[DATASET_NORMALISE],
    headline=["n_examples", "n_dropped", "n_duplicates"],
    kinds={"json"},
    footprint=Footprint(cpus=1),
)
def evaluated_rows(
    stage: Stage, examples: ExamplesFile, evaluated_tokenizer: TokenizerFiles, config: SftDatasetConfig
) -> Steps[DatasetJsonl]:
    """The user's rows in the normal form, checked as rows to train on are; all of them are held out."""
    facts = yield from normalise(stage, "examples", examples, evaluated_tokenizer, config)
    return DatasetJsonl(**facts)


@stage_asset(
    cookbook="llm",
    group="verdict",
    looks_up=read_with,
    payloads=[MODEL_EVALUATE],
    headline=["loss_base", "loss_tuned", "loss_quantised", "n_samples"],
    kinds={"json"},
    footprint=Footprint(gpus="any"),
    distributions=DISTRIBUTIONS,
)
def suite_evaluation(
    stage: Stage,
    evaluated_models: ModelSet,
    evaluated_tokenizer: TokenizerFiles,
    evaluated_rows: DatasetJsonl,
    evaluation_tasks: TaskSet,
    config: ScoringConfig,
) -> Steps[EvalReport]:
    """Loss, answers and tasks of each model that is given, with sample counts and 95 % intervals."""
    models = _models(stage, evaluated_models)
    inputs = {
        "reference": stage.open(evaluated_tokenizer),
        "rows": stage.open(evaluated_rows) / "dataset.jsonl",
        "tasks": stage.open(evaluation_tasks),
    }
    return (yield from score(stage, models, inputs, config, [*models.values()][-1].digest))
