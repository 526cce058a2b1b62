"""Judges base, tuned and quantised model side by side, on rows that none of them was trained on."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import dagster as dg

from blut_assets.stages import Footprint, Stage, Steps, stage_asset
from blut_resources.payloads.environment import FETCHING
from blut_resources.store.artifacts import write_atomic
from cookbooks.llm.artifacts import DatasetSplit, EvalReport, GgufModel, HfModel, TaskSet
from cookbooks.llm.configs.verdict import EvaluationConfig, EvaluationTasksConfig, ScoringConfig
from cookbooks.llm.evaluation.judge import HOSTS
from cookbooks.llm.evaluation.scores import table
from cookbooks.llm.evaluation.summary import answers_by_model, summary
from cookbooks.llm.evaluation.yaml_tasks import TaskError, read_tasks
from cookbooks.llm.gate.clean import DISTRIBUTIONS, clean_start
from cookbooks.llm.llama.own import read_with

MODEL_EVALUATE = "cookbooks.llm.payload.model_evaluate"
ROLES = ("base", "tuned", "quantised")
"""From what was there before to what ships; the last one that is there is the candidate."""

Kind = Literal["hf", "gguf"]


@dataclass(frozen=True)
class Scored:
    """Names a model that is scored: a model directory, or a GGUF."""

    kind: Kind
    digest: str


@stage_asset(cookbook="llm", group="sources", source=True, headline=["n_tasks", "names"], kinds={"yaml"})
def evaluation_tasks(stage: Stage, config: EvaluationTasksConfig) -> TaskSet:
    """The user's own tasks, in lm-eval's YAML with local data; a key that is not read is refused by name."""
    try:
        files = read_tasks(config.tasks)
        for number, file in enumerate(files):
            folder = stage.out / f"{number:03}"
            folder.mkdir()
            file.copy_to(folder)
    except TaskError as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    names = [file.task.task for file in files]
    write_atomic(stage.out / "tasks.json", json.dumps(names, indent=1).encode())
    return TaskSet(n_tasks=len(names), names=", ".join(names))


def evaluation(
    stage: Stage,
    base_model: HfModel,
    merged: HfModel,
    gguf: GgufModel,
    split: DatasetSplit,
    evaluation_tasks: TaskSet,
    config: EvaluationConfig,
) -> Steps[EvalReport]:
    """Loss, answers and tasks of each model, with the number of samples and a 95 % interval, always.

    The same code scores a model directory and a GGUF. A scorer that is not there is refused, never invented.
    """
    known = {
        "base": Scored("hf", base_model.digest),
        "tuned": Scored("hf", merged.digest),
        "quantised": Scored("gguf", gguf.digest),
    }
    for name in config.models:
        if name not in known:
            raise dg.Failure(f"models: {name!r} is none of {', '.join(known)}", allow_retries=False)
    chosen = {name: known[name] for name in dict.fromkeys(config.models)}
    halves = stage.open(split)
    inputs = {
        "reference": stage.open(base_model),
        "rows": halves / "eval.jsonl",
        "train": halves / "train.jsonl",
        "tasks": stage.open(evaluation_tasks),
    }
    return (yield from score(stage, chosen, inputs, config, gguf.digest))


def score(
    stage: Stage,
    models: Mapping[str, Scored],
    inputs: Mapping[str, Path],
    config: ScoringConfig,
    candidate: str,
) -> Steps[EvalReport]:
    """Score models by their roles, and show what came out.

    Args:
        inputs: ``reference``, ``rows``, ``tasks`` and, where it is known, ``train``, as the payload has them.
        candidate: the digest of the model that the report is about.
    """
    facts = yield from stage.run(
        MODEL_EVALUATE,
        config={
            **config.for_payload(),
            "environment": stage.environment.as_dict(),
            "models": [
                {"name": role, "kind": model.kind, "input": role, "digest": model.digest}
                for role, model in models.items()
            ],
        },
        inputs={**inputs, **{role: stage.open(model.digest) for role, model in models.items()}},
        gpus=0 if config.device == "cpu" else None,
        isolated=clean_start([*FETCHING, HOSTS, config.judge_key_env]),
    )
    report = json.loads((stage.out / "report.json").read_text())
    answers = {name: dg.MetadataValue.md(text) for name, text in answers_by_model(report["asked"]).items()}
    stage.show(
        summary=summary(report),
        **answers,
        scores=dg.MetadataValue.md(table(report["tasks"], list(models))),
        report=dg.MetadataValue.json(report),
    )
    found = report["tasks"][0]["metrics"]["loss"]["models"]
    losses = {role: found[role]["value"] if role in found else None for role in ROLES}
    return EvalReport(
        candidate=candidate,
        n_models=len(models),
        n_tasks=facts["n_tasks"],
        n_samples=facts["n_samples"],
        loss_base=losses["base"],
        loss_tuned=losses["tuned"],
        loss_quantised=losses["quantised"],
    )


def evaluation_asset(prefix: str, split: str | None = None) -> dg.AssetsDefinition:
    """Declare ``<prefix>_evaluation``, of the base model, ``<prefix>_merged`` and ``<prefix>_gguf``."""
    return stage_asset(
        cookbook="llm",
        group="verdict",
        name=f"{prefix}_evaluation",
        ins={
            "merged": f"{prefix}_merged",
            "gguf": f"{prefix}_gguf",
            "split": split or f"{prefix}_split",
        },
        looks_up=read_with,
        payloads=[MODEL_EVALUATE],
        headline=["loss_base", "loss_tuned", "loss_quantised", "n_samples"],
        kinds={"json"},
        footprint=Footprint(gpus="any"),
        distributions=DISTRIBUTIONS,
    )(evaluation)
