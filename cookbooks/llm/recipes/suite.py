"""Defines `eval_suite`: models that are there already, compared on the user's own rows and tasks."""

from collections.abc import Mapping
from typing import Literal

from blut_assets.recipes import Recipe, config_from, like
from blut_assets.stages import StageConfig
from cookbooks.llm.artifacts import EvalReport, ExamplesFile, HfModel
from cookbooks.llm.configs.corpus import EXAMPLES, ExamplesConfig, OnBadRow, RowFormat, SftDatasetConfig
from cookbooks.llm.configs.suite import EvaluatedModelsConfig
from cookbooks.llm.configs.training import Device
from cookbooks.llm.configs.verdict import EvaluationTasksConfig, ScoringConfig, refuse_missing_scorers
from cookbooks.llm.recipes.args import EvaluationArgs
from cookbooks.llm.recipes.training import BACKEND
from cookbooks.llm.sources import examples
from cookbooks.llm.suite import evaluated_models, evaluated_rows, evaluated_tokenizer, suite_evaluation
from cookbooks.llm.verdict import evaluation_tasks


class EvalSuiteArgs(EvaluationArgs):
    """Holds the args of ``eval_suite``."""

    dataset_path: str = like(
        ExamplesConfig, "path", description=f"rows that none of the models was trained on: {EXAMPLES}"
    )
    base_model: str = like(EvaluatedModelsConfig, "base_model")
    model_path: str = like(EvaluatedModelsConfig, "model_path")
    quantised_path: str = like(EvaluatedModelsConfig, "quantised_path")
    context: int = like(ScoringConfig, "context")
    chat_tasks: Literal["generate_until", "all", "none"] = like(ScoringConfig, "chat_tasks")
    seq_len: int = like(SftDatasetConfig, "seq_len")
    format: RowFormat = like(SftDatasetConfig, "format")
    mixed: Literal["refuse", "accept"] = like(SftDatasetConfig, "mixed")
    learn: Literal["all", "last", "each"] = like(SftDatasetConfig, "learn", description="which answers count")
    on_bad_row: OnBadRow = like(SftDatasetConfig, "on_bad_row")
    control_tokens: Literal["refuse", "neutralise"] = like(SftDatasetConfig, "control_tokens")
    duplicates: Literal["drop", "keep"] = like(SftDatasetConfig, "duplicates")
    columns: dict[str, str] = like(SftDatasetConfig, "columns")
    roles: dict[str, str] = like(SftDatasetConfig, "roles")
    consecutive: Literal["refuse", "merge"] = like(SftDatasetConfig, "consecutive")
    seed: int = like(
        ScoringConfig, "seed", description="of the draw of rows and of reasoning-gym's questions"
    )
    threads: int = like(ScoringConfig, "threads")
    device: Device = like(ScoringConfig, "device")


def _configure(args: EvalSuiteArgs) -> Mapping[str, StageConfig]:
    models, scoring = config_from(EvaluatedModelsConfig, args), config_from(ScoringConfig, args)
    if not models.roles:
        raise ValueError("base_model, model_path, quantised_path: all empty: give at least one to score")
    refuse_missing_scorers(scoring)
    return {
        "examples": config_from(ExamplesConfig, args, path=args.dataset_path),
        "evaluated_models": models,
        "evaluated_rows": config_from(SftDatasetConfig, args),
        "evaluation_tasks": config_from(EvaluationTasksConfig, args),
        "suite_evaluation": scoring,
    }


EVAL_SUITE = Recipe(
    name="eval_suite",
    category="eval",
    description="Base, tuned and quantised model side by side on rows, tasks and questions of yours.",
    args=EvalSuiteArgs,
    assets=[
        *(examples, evaluated_models, evaluated_tokenizer),
        *(evaluated_rows, evaluation_tasks, suite_evaluation),
    ],
    output=EvalReport,
    backend=BACKEND,
    configure=_configure,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)
