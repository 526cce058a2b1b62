"""The LLM catalogue."""

from collections.abc import Mapping

from blut_assets.recipes import Recipe, RecipeArgs
from blut_assets.stages import StageConfig
from cookbooks.llm import chains
from cookbooks.llm.artifacts import Checkpoint, EvalReport, ExamplesFile, HfModel
from cookbooks.llm.configs import (
    BaseModelConfig,
    ExamplesConfig,
    PreferenceDatasetConfig,
    PreferencesConfig,
    PreferenceSplitConfig,
    SftDatasetConfig,
    SftSplitConfig,
    TeacherModelConfig,
)
from cookbooks.llm.configs_gguf import (
    EvaluationConfig,
    EvaluationTasksConfig,
    GgufConfig,
    GgufPreflightConfig,
    MergedConfig,
)
from cookbooks.llm.configs_training import (
    DistilledCheckpointConfig,
    DpoCheckpointConfig,
    SftCheckpointConfig,
    refuse_senseless,
)
from cookbooks.llm.corpus import preference_dataset, preference_split, sft_dataset, sft_split
from cookbooks.llm.gguf import gguf_preflight
from cookbooks.llm.recipe_args import (
    ConversationsArgs,
    DistillArgs,
    DpoArgs,
    FinetuneArgs,
    GgufArgs,
    HfFinetuneArgs,
    RowsArgs,
)
from cookbooks.llm.sources import base_model, examples, preferences, teacher_model
from cookbooks.llm.training import distilled_checkpoint, dpo_checkpoint, sft_checkpoint
from cookbooks.llm.verdict import evaluation_tasks

Configs = Mapping[str, StageConfig]


def _hf_finetune(args: HfFinetuneArgs) -> Configs:
    return {
        **_rows(args, ExamplesConfig(path=args.dataset_path, read_as="examples"), args.base_model),
        "gguf_preflight": GgufPreflightConfig(check="none"),
        "sft_checkpoint": _take(SftCheckpointConfig, args),
    }


def _finetune(args: FinetuneArgs) -> Configs:
    return {
        **_rows(args, ExamplesConfig(path=args.dataset_path, read_as="examples"), args.base_model),
        "gguf_preflight": _preflight(args),
        "sft_checkpoint": _take(SftCheckpointConfig, args),
        **_tail(chains.SFT, args),
    }


def _finetune_conversations(args: ConversationsArgs) -> Configs:
    filters = {name: getattr(args, name) for name in ("since", "min_turns", "max_msg_bytes", "drop_errors")}
    source = ExamplesConfig(
        path=args.conversations_path, read_as="conversations", on_bad_row=args.on_bad_row, **filters
    )
    return {
        **_rows(args, source, args.base_model),
        "gguf_preflight": _preflight(args),
        "sft_checkpoint": _take(SftCheckpointConfig, args),
        **_tail(chains.SFT, args),
    }


def _dpo(args: DpoArgs) -> Configs:
    training = DpoCheckpointConfig(**_shared(DpoCheckpointConfig, args))
    refuse_senseless(training)
    return {
        "preferences": PreferencesConfig(path=args.preferences_path),
        "base_model": BaseModelConfig(model=args.base_model),
        "gguf_preflight": GgufPreflightConfig(check="gguf"),
        "preference_dataset": _take(PreferenceDatasetConfig, args),
        "preference_split": _take(PreferenceSplitConfig, args),
        "dpo_checkpoint": training,
        **_tail(chains.DPO, args),
    }


def _distill(args: DistillArgs) -> Configs:
    return {
        **_rows(args, ExamplesConfig(path=args.dataset_path, read_as="examples"), args.student_base),
        "gguf_preflight": _preflight(args),
        "teacher_model": TeacherModelConfig(model=args.teacher_path),
        "distilled_checkpoint": _take(DistilledCheckpointConfig, args),
        **_tail(chains.DISTILLED, args),
    }


def _rows(args: RowsArgs, source: ExamplesConfig, model: str) -> Configs:
    return {
        "examples": source,
        "base_model": BaseModelConfig(model=model),
        "sft_dataset": _take(SftDatasetConfig, args),
        "sft_split": _take(SftSplitConfig, args),
    }


def _preflight(args: RowsArgs) -> GgufPreflightConfig:
    """Plain text needs no chat template."""
    return GgufPreflightConfig(check="gguf", chat="optional" if args.format == "text" else "required")


def _tail(chain: chains.Tail, args: GgufArgs) -> Configs:
    return {
        f"{chain.prefix}_merged": MergedConfig(name=args.output_name, threads=args.threads),
        f"{chain.prefix}_gguf": _take(GgufConfig, args),
        "evaluation_tasks": EvaluationTasksConfig(tasks=args.tasks),
        f"{chain.prefix}_evaluation": EvaluationConfig(
            **{name: getattr(args, name) for name in ("answers", "reasoning", "seed", "threads", "device")}
        ),
    }


def _take(config: type[StageConfig], args: RecipeArgs) -> StageConfig:
    """An asset's config out of the args of the same names."""
    return config(**_shared(config, args))


def _shared(config: type[StageConfig], args: RecipeArgs) -> dict[str, object]:
    return {name: getattr(args, name) for name in config.model_fields.keys() & type(args).model_fields.keys()}


ROWS = [examples, base_model, gguf_preflight, sft_dataset, sft_split]

FINETUNE = Recipe(
    name="finetune_from_dataset",
    category="train",
    description="Fine-tune a model on a file of examples, to a GGUF that is proven and evaluated.",
    args=FinetuneArgs,
    assets=[*ROWS, sft_checkpoint, evaluation_tasks, *chains.SFT.assets],
    output=EvalReport,
    configure=_finetune,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)

FINETUNE_CONVERSATIONS = Recipe(
    name="finetune_from_conversations",
    category="train",
    description="The same from conversations in a database or in chat logs.",
    args=ConversationsArgs,
    assets=[*ROWS, sft_checkpoint, evaluation_tasks, *chains.SFT.assets],
    output=EvalReport,
    configure=_finetune_conversations,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)

HF_FINETUNE = Recipe(
    name="hf_finetune_from_dataset",
    category="train",
    description="Fine-tune a model on a file of examples, to a Hugging Face checkpoint.",
    args=HfFinetuneArgs,
    assets=[*ROWS, sft_checkpoint],
    output=Checkpoint,
    configure=_hf_finetune,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)

DPO = Recipe(
    name="dpo_from_preferences",
    category="train",
    description="Teach a model to prefer some answers over others, to a GGUF that is proven and evaluated.",
    args=DpoArgs,
    assets=[
        *(preferences, base_model, gguf_preflight, preference_dataset, preference_split),
        *(dpo_checkpoint, evaluation_tasks, *chains.DPO.assets),
    ],
    output=EvalReport,
    configure=_dpo,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)

DISTILL = Recipe(
    name="distill_from_teacher",
    category="train",
    description="A small model learns from a large one, to a GGUF that is proven and evaluated.",
    args=DistillArgs,
    assets=[*ROWS, teacher_model, distilled_checkpoint, evaluation_tasks, *chains.DISTILLED.assets],
    output=EvalReport,
    configure=_distill,
    input_kinds=[ExamplesFile.kind, HfModel.kind],
)
