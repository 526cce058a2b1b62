"""Verdict: base, tuned and quantised model side by side, on rows that none of them was trained on."""

import json

import dagster as dg

from blut_assets.limits import Footprint
from blut_assets.stage import Stage
from blut_assets.stages import Steps, stage_asset
from blut_resources.store import write_atomic
from cookbooks.llm.artifacts import DatasetSplit, EvalReport, GgufModel, HfModel, TaskSet
from cookbooks.llm.configs_gguf import EvaluationConfig, EvaluationTasksConfig
from cookbooks.llm.evaluation.scores import table
from cookbooks.llm.evaluation.yaml_tasks import TaskError, read_tasks

MODEL_EVALUATE = "cookbooks.llm.payload.model_evaluate"


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
        "base": ("hf", base_model),
        "tuned": ("hf", merged),
        "quantised": ("gguf", gguf),
    }
    for name in config.models:
        if name not in known:
            known_names = ", ".join(known)
            raise dg.Failure(f"models: {name!r} is none of {known_names}", allow_retries=False)
    chosen = {name: known[name] for name in dict.fromkeys(config.models)}
    facts = yield from stage.run(
        MODEL_EVALUATE,
        config={
            **config.for_payload(),
            "models": [
                {"name": name, "kind": kind, "input": name, "digest": model.digest}
                for name, (kind, model) in chosen.items()
            ],
        },
        inputs={
            "reference": stage.open(base_model),
            "split": stage.open(split),
            "tasks": stage.open(evaluation_tasks),
            **{name: stage.open(model) for name, (_, model) in chosen.items()},
        },
        gpus=0 if config.device == "cpu" else None,
    )
    report = json.loads((stage.out / "report.json").read_text())
    stage.show(
        scores=dg.MetadataValue.md(table(report["tasks"], list(chosen))),
        report=dg.MetadataValue.json(report),
    )
    found = report["tasks"][0]["metrics"]["loss"]["models"]
    loss = {name: found[name]["value"] if name in found else None for name in known}
    return EvalReport(
        candidate=gguf.digest,
        n_models=len(chosen),
        n_tasks=facts["n_tasks"],
        n_samples=facts["n_samples"],
        loss_base=loss["base"],
        loss_tuned=loss["tuned"],
        loss_quantised=loss["quantised"],
    )


def evaluation_asset(prefix: str, split: str | None = None) -> dg.AssetsDefinition:
    """``<prefix>_evaluation``, of the base model, ``<prefix>_merged`` and ``<prefix>_gguf``."""
    return stage_asset(
        cookbook="llm",
        group="verdict",
        name=f"{prefix}_evaluation",
        ins={
            "merged": f"{prefix}_merged",
            "gguf": f"{prefix}_gguf",
            "split": split or f"{prefix}_split",
        },
        payloads=[MODEL_EVALUATE],
        headline=["loss_base", "loss_tuned", "loss_quantised", "n_samples"],
        kinds={"json"},
        footprint=Footprint(gpus="any"),
    )(evaluation)
