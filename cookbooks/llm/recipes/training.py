"""Defines the recipes of the LLM catalogue that train."""

from collections.abc import Mapping

from blut_assets.changes import refuse_unanswered
from blut_assets.recipes import Metric, Recipe, config_from
from blut_assets.stages import StageConfig
from cookbooks.llm.artifacts import Checkpoint, ExamplesFile, HfModel, RegisteredModel
from cookbooks.llm.configs.corpus import (
    BaseModelConfig,
    ExamplesConfig,
    PreferenceDatasetConfig,
    PreferencesConfig,
    PreferenceSplitConfig,
    SftDatasetConfig,
    SftSplitConfig,
    TeacherModelConfig,
)
from cookbooks.llm.configs.gguf import GgufConfig, GgufPreflightConfig, MergedConfig
from cookbooks.llm.configs.promotion import RegisteredConfig, names_of
from cookbooks.llm.configs.training import (
    DistilledCheckpointConfig,
    DpoCheckpointConfig,
    SftCheckpointConfig,
    refuse_senseless,
)
from cookbooks.llm.configs.verdict import EvaluationConfig, EvaluationTasksConfig, refuse_missing_scorers
from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
from cookbooks.llm.gguf import gguf_preflight
from cookbooks.llm.recipes.args import (
    ConversationsArgs,
    DistillArgs,
    DpoArgs,
    FinetuneArgs,
    GgufArgs,
    HfFinetuneArgs,
    RowsArgs,
)
from cookbooks.llm.recipes.tails import DISTILLED_TAIL, DPO_TAIL, SFT_TAIL, Tail
from cookbooks.llm.sources import base_model, examples, preferences, teacher_model
from cookbooks.llm.training import distilled_checkpoint, dpo_checkpoint, sft_checkpoint
from cookbooks.llm.verdict import evaluation_tasks

Configs = Mapping[str, StageConfig]


def _hf_finetune(args: HfFinetuneArgs) -> Configs:
    return {
        **_rows(args, _examples(args), args.base_model),
        "gguf_preflight": config_from(GgufPreflightConfig, args, check="none"),
        "sft_checkpoint": config_from(SftCheckpointConfig, args),
    }


def _finetune(args: FinetuneArgs) -> Configs:
    return {
        **_rows(args, _examples(args), args.base_model),
        "gguf_preflight": _preflight(args),
        "sft_checkpoint": config_from(SftCheckpointConfig, args),
        **_tail(SFT_TAIL, args),
    }


def _finetune_conversations(args: ConversationsArgs) -> Configs:
    source = config_from(ExamplesConfig, args, path=args.conversations_path, read_as="conversations")
    return {
        **_rows(args, source, args.base_model),
        "gguf_preflight": _preflight(args),
        "sft_checkpoint": config_from(SftCheckpointConfig, args),
        **_tail(SFT_TAIL, args),
    }


def _dpo(args: DpoArgs) -> Configs:
    training = config_from(DpoCheckpointConfig, args)
    refuse_senseless(training)
    return {
        "preferences": PreferencesConfig(path=args.preferences_path),
        "base_model": BaseModelConfig(model=args.base_model),
        "gguf_preflight": config_from(GgufPreflightConfig, args),
        "preference_dataset": config_from(PreferenceDatasetConfig, args),
        "preference_split": config_from(PreferenceSplitConfig, args),
        "dpo_checkpoint": training,
        **_tail(DPO_TAIL, args),
    }


def _distill(args: DistillArgs) -> Configs:
    return {
        **_rows(args, _examples(args), args.student_base),
        "gguf_preflight": _preflight(args),
        "teacher_model": TeacherModelConfig(model=args.teacher_path),
        "distilled_checkpoint": config_from(DistilledCheckpointConfig, args),
        **_tail(DISTILLED_TAIL, args),
    }


def _examples(args: HfFinetuneArgs | FinetuneArgs | DistillArgs) -> ExamplesConfig:
    return config_from(ExamplesConfig, args, path=args.dataset_path, read_as="examples")


def _rows(args: RowsArgs, source: ExamplesConfig, model: str) -> Configs:
    return {
        "examples": source,
        "base_model": BaseModelConfig(model=model),
        "sft_dataset": config_from(SftDatasetConfig, args),
        "sft_split": config_from(SftSplitConfig, args),
    }


def _preflight(args: RowsArgs) -> GgufPreflightConfig:
    """Check the chat template; plain text needs none."""
    chat = "optional" if args.format == "text" else "required"
    return config_from(GgufPreflightConfig, args, chat=chat)


def _tail(tail: Tail, args: GgufArgs) -> Configs:
    evaluation = config_from(EvaluationConfig, args)
    refuse_missing_scorers(evaluation)
    name, _ = names_of(args.output_name, args.promote_as)
    refuse_unanswered(args, synthetic=getattr(args, "distillation", "") in ("sequence", "on_policy"))
    return {
        f"{tail.prefix}_merged": config_from(MergedConfig, args, name=args.output_name),
        f"{tail.prefix}_gguf": config_from(GgufConfig, args),
        "evaluation_tasks": config_from(EvaluationTasksConfig, args),
        f"{tail.prefix}_evaluation": evaluation,
        f"{tail.prefix}_registered": config_from(RegisteredConfig, args, name=name, alias=args.promote_as),
    }


def _loss(tail: Tail) -> Metric:
    """Compare what ships: the quantised file, on held-out rows."""
    return Metric(tail.evaluation, "loss_quantised", "lowest", within=("split",))


BACKEND = "lamu"
"""Local models: trained by TRL in a process of its own, converted and run by llama.cpp."""
ROWS = [examples, base_model, gguf_preflight, sft_dataset, sft_split]

FINETUNE = Recipe(
    name="finetune_from_dataset",
    category="train",
    description="Fine-tune a model on a file of examples, to a GGUF that is proven and registered.",
    args=FinetuneArgs,
    assets=[*ROWS, sft_checkpoint, evaluation_tasks, *SFT_TAIL.assets],
    output=RegisteredModel,
    backend=BACKEND,
    ends_in="model.gguf",
    configure=_finetune,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
    metric=_loss(SFT_TAIL),
    demo="args_demo",
)

FINETUNE_CONVERSATIONS = Recipe(
    name="finetune_from_conversations",
    category="train",
    description="The same from conversations in a database or in chat logs.",
    args=ConversationsArgs,
    assets=[*ROWS, sft_checkpoint, evaluation_tasks, *SFT_TAIL.assets],
    output=RegisteredModel,
    backend=BACKEND,
    ends_in="model.gguf",
    configure=_finetune_conversations,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
    metric=_loss(SFT_TAIL),
)

HF_FINETUNE = Recipe(
    name="hf_finetune_from_dataset",
    category="train",
    description="Fine-tune a model on a file of examples, to a Hugging Face checkpoint.",
    args=HfFinetuneArgs,
    assets=[*ROWS, sft_checkpoint],
    output=Checkpoint,
    backend="hf_trainer",
    configure=_hf_finetune,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
    metric=Metric(sft_checkpoint, "eval_loss", "lowest", within=("sft_split",)),
)

DPO = Recipe(
    name="dpo_from_preferences",
    category="train",
    description="Teach a model to prefer some answers over others, to a GGUF that is proven and registered.",
    args=DpoArgs,
    assets=[
        *(preferences, base_model, gguf_preflight, preference_dataset, preference_split),
        *(dpo_checkpoint, evaluation_tasks, *DPO_TAIL.assets),
    ],
    output=RegisteredModel,
    backend=BACKEND,
    ends_in="model.gguf",
    configure=_dpo,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
    metric=_loss(DPO_TAIL),
)

DISTILL = Recipe(
    name="distill_from_teacher",
    category="train",
    description="A small model learns from a large one, to a GGUF that is proven and registered.",
    args=DistillArgs,
    assets=[*ROWS, teacher_model, distilled_checkpoint, evaluation_tasks, *DISTILLED_TAIL.assets],
    output=RegisteredModel,
    backend=BACKEND,
    ends_in="model.gguf",
    configure=_distill,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
    metric=_loss(DISTILLED_TAIL),
)
