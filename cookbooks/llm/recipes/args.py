"""Defines the forms of the LLM recipes. A default that is an asset's own is taken from its config."""

from typing import Any, Literal

from pydantic import Field

from blut_assets.changes import ChangeArgs
from blut_assets.recipes import RecipeArgs, like
from cookbooks.llm.configs.corpus import (
    MODEL,
    BaseModelConfig,
    ExamplesConfig,
    ModelPath,
    OnBadRow,
    PreferencesConfig,
    RowFormat,
    SftDatasetConfig,
    SftSplitConfig,
)
from cookbooks.llm.configs.gguf import GgufConfig, Quant
from cookbooks.llm.configs.promotion import RegisteredConfig
from cookbooks.llm.configs.training import (
    Attention,
    Device,
    Distillation,
    DistilledCheckpointConfig,
    DpoCheckpointConfig,
    Dtype,
    Method,
    PreferenceLoss,
    Schedule,
    SftCheckpointConfig,
    TrainingConfig,
)
from cookbooks.llm.configs.verdict import EvaluationTasksConfig, ScoringConfig

RANKS = (
    "processes that train together on the CPU, each with its share of a batch and `threads` of its own;"
    " one if not given; `rank` is the adapter's (LoRA)"
)
NAME = "of the model that comes out: letters, digits, dot, dash and underscore"
EXAMPLES = "file of examples (.jsonl, .json) or directory of them; or sample:chatterbot"
CONVERSATIONS = "SQLite database with a table of turns, or chat logs (.jsonl, .json), or a directory of them"
PROMPTS = (
    "questions that base, tuned and quantised model answer, side by side in the evaluation; a checkpoint"
    " shows answers to the first two, and keeps those of its training when it is reused"
)


class EvaluationArgs(RecipeArgs):
    """Says what models are asked when they are compared."""

    max_examples: int = like(ScoringConfig, "max_examples")
    answers: int = like(ScoringConfig, "answers")
    prompts: list[str] = like(ScoringConfig, "prompts")
    max_new_tokens: int = like(ScoringConfig, "max_new_tokens")
    reasoning: list[str] = like(ScoringConfig, "reasoning")
    tasks: list[str] = like(
        EvaluationTasksConfig,
        "tasks",
        description="YAML files of lm-eval tasks to evaluate on, or directories of them",
    )
    limit: int | None = like(ScoringConfig, "limit")
    judge_url: str = like(ScoringConfig, "judge_url")
    judge_model: str = like(ScoringConfig, "judge_model")
    judge_key_env: str = like(ScoringConfig, "judge_key_env")
    judge_samples: int = like(ScoringConfig, "judge_samples")


class TrainArgs(RecipeArgs):
    """Says what all trainings take."""

    output_name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=96, description=NAME)
    method: Method = like(TrainingConfig, "method")
    epochs: int = like(TrainingConfig, "epochs", description="passes over the training side")
    max_steps: int | None = like(TrainingConfig, "max_steps")
    batch_size: int = like(TrainingConfig, "batch_size")
    grad_accum: int = like(TrainingConfig, "grad_accum")
    seq_len: int = like(TrainingConfig, "seq_len", description="a row with more tokens is a bad row")
    rank: int = like(TrainingConfig, "rank")
    alpha: int = like(TrainingConfig, "alpha")
    dropout: float = like(TrainingConfig, "dropout")
    rslora: bool = like(TrainingConfig, "rslora")
    dora: bool = like(TrainingConfig, "dora")
    target_modules: list[str] = like(TrainingConfig, "target_modules")
    schedule: Schedule = like(TrainingConfig, "schedule")
    warmup_ratio: float = like(TrainingConfig, "warmup_ratio")
    weight_decay: float = like(TrainingConfig, "weight_decay", description="of the optimiser")
    seed: int = like(TrainingConfig, "seed", description="of the split and the training")
    device: Device = like(TrainingConfig, "device")
    dtype: Dtype = like(TrainingConfig, "dtype")
    attention: Attention = like(TrainingConfig, "attention")
    gradient_checkpointing: bool = like(TrainingConfig, "gradient_checkpointing")
    gpus: int | None = like(TrainingConfig, "gpus")
    ranks: int | None = like(TrainingConfig, "ranks", description=RANKS)
    threads: int = like(TrainingConfig, "threads")
    resume: Literal["auto", "never"] = like(TrainingConfig, "resume")
    eval_steps: int | None = like(TrainingConfig, "eval_steps")
    save_steps: int | None = like(TrainingConfig, "save_steps")
    eval_ratio: float = like(SftSplitConfig, "eval_ratio", description="share of the rows that is held out")
    on_bad_row: OnBadRow = like(SftDatasetConfig, "on_bad_row")
    control_tokens: Literal["refuse", "neutralise"] = like(SftDatasetConfig, "control_tokens")
    duplicates: Literal["drop", "keep"] = like(SftDatasetConfig, "duplicates")
    columns: dict[str, str] = like(SftDatasetConfig, "columns")
    named_splits: Literal["keep", "ignore"] = like(SftDatasetConfig, "named_splits")
    roles: dict[str, str] = like(SftDatasetConfig, "roles")
    consecutive: Literal["refuse", "merge"] = like(SftDatasetConfig, "consecutive")


class GgufArgs(TrainArgs, EvaluationArgs, ChangeArgs):
    """Says what trainings take that end in a GGUF."""

    prompts: list[str] = like(ScoringConfig, "prompts", description=PROMPTS)
    quant: Quant = like(GgufConfig, "quant")
    importance: bool = like(GgufConfig, "importance")
    max_kl: float = like(GgufConfig, "max_kl")
    min_top1: float = like(GgufConfig, "min_top1")
    max_perplexity_ratio: float = like(GgufConfig, "max_perplexity_ratio")
    max_loss_increase: float = like(RegisteredConfig, "max_loss_increase")
    min_eval_rows: int = like(RegisteredConfig, "min_eval_rows")


class RowsArgs(TrainArgs):
    """Says how rows of examples are read and parted."""

    lr: float | None = like(SftCheckpointConfig, "lr", description="2e-4; 2e-5 for method full")
    format: RowFormat = like(SftDatasetConfig, "format")
    mixed: Literal["refuse", "accept"] = like(SftDatasetConfig, "mixed")
    learn: Literal["all", "last", "each"] = like(SftDatasetConfig, "learn")
    same_prompt: bool = like(SftSplitConfig, "same_prompt")
    same_answer: bool = like(SftSplitConfig, "same_answer")


class HfFinetuneArgs(RowsArgs):
    """Holds the args of ``hf_finetune_from_dataset``."""

    output_name: str = Field("", max_length=96, description="changes nothing: a checkpoint is not registered")
    dataset_path: str = like(ExamplesConfig, "path", description=EXAMPLES)
    base_model: str = like(BaseModelConfig, "model")
    hf_extra: dict[str, Any] = like(TrainingConfig, "hf_extra")


class FinetuneArgs(RowsArgs, GgufArgs):
    """Holds the args of ``finetune_from_dataset``."""

    dataset_path: str = like(ExamplesConfig, "path", description=EXAMPLES)
    base_model: str = like(BaseModelConfig, "model")


class ConversationsArgs(RowsArgs, GgufArgs):
    """Holds the args of ``finetune_from_conversations``."""

    conversations_path: str = like(ExamplesConfig, "path", description=CONVERSATIONS)
    base_model: str = like(BaseModelConfig, "model")
    since: str = like(ExamplesConfig, "since")
    min_turns: int = like(ExamplesConfig, "min_turns")
    max_msg_bytes: int = like(ExamplesConfig, "max_msg_bytes")
    drop_errors: bool = like(ExamplesConfig, "drop_errors")


class DpoArgs(GgufArgs):
    """Holds the args of ``dpo_from_preferences``."""

    preferences_path: str = like(PreferencesConfig, "path")
    base_model: str = like(BaseModelConfig, "model", description=f"merged, if it was tuned: {MODEL}")
    lr: float | None = like(DpoCheckpointConfig, "lr", description="5e-6; 1e-6 for method full")
    beta: float = like(DpoCheckpointConfig, "beta")
    loss: PreferenceLoss = like(DpoCheckpointConfig, "loss")
    label_smoothing: float = like(DpoCheckpointConfig, "label_smoothing")


class DistillArgs(RowsArgs, GgufArgs):
    """Holds the args of ``distill_from_teacher``."""

    dataset_path: str = like(ExamplesConfig, "path", description=EXAMPLES)
    teacher_path: ModelPath = Field(description=f"the model to learn from: {MODEL}")
    student_base: ModelPath = Field(description=f"the model that learns: {MODEL}")
    lr: float | None = like(DistilledCheckpointConfig, "lr", description="1e-4; 2e-5 for method full")
    distillation: Distillation = like(DistilledCheckpointConfig, "distillation")
    kl_weight: float = like(DistilledCheckpointConfig, "kl_weight")
    temperature: float = like(DistilledCheckpointConfig, "temperature")
    max_new_tokens: int = like(DistilledCheckpointConfig, "max_new_tokens")
    teacher_temperature: float = like(DistilledCheckpointConfig, "teacher_temperature")
    teacher_batch_size: int = like(DistilledCheckpointConfig, "teacher_batch_size")
