"""Typed configs of what comes after a training. Fields in ``HOW`` say how to compute, not what."""

from typing import ClassVar, Literal

from pydantic import Field

from blut_assets.stages import StageConfig

Quant = Literal[
    "F32",
    "F16",
    "BF16",
    "Q8_0",
    "Q6_K",
    "Q5_K_M",
    "Q5_K_S",
    "Q5_0",
    "Q5_1",
    "Q4_K_M",
    "Q4_K_S",
    "Q4_0",
    "Q4_1",
    "Q3_K_L",
    "Q3_K_M",
    "Q3_K_S",
    "Q2_K",
    "Q2_K_S",
    "IQ4_NL",
    "IQ4_XS",
    "IQ3_M",
    "IQ3_S",
    "IQ3_XS",
    "IQ3_XXS",
    "IQ2_M",
    "IQ2_S",
    "IQ2_XS",
    "IQ2_XXS",
    "IQ1_M",
    "IQ1_S",
    "TQ2_0",
    "TQ1_0",
    "MXFP4_MOE",
    "Q2_0",
    "Q1_0",
]
Device = Literal["auto", "cpu", "cuda"]
JUDGE = "of any OpenAI-compatible server, such as http://127.0.0.1:8080/v1; nobody is asked if empty"


class GgufPreflightConfig(StageConfig):
    """Whether a training is for a GGUF at all."""

    check: Literal["gguf", "none"] = Field(
        "gguf", description="none: the result stays a Hugging Face model, so llama.cpp is not asked"
    )
    chat: Literal["required", "optional"] = Field(
        "required", description="optional: the model need not have a chat template"
    )


class MergedConfig(StageConfig):
    """How the tuned model is called."""

    HOW: ClassVar[frozenset[str]] = frozenset({"threads"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str = Field("", max_length=96, description="of the model; from the base and the method if empty")
    threads: int = Field(1, ge=1, le=256)


class GgufConfig(StageConfig):
    """What kind of GGUF, and how faithful it must be."""

    HOW: ClassVar[frozenset[str]] = frozenset({"threads", "device"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"max_kl", "min_top1", "max_perplexity_ratio"})

    quant: Quant = Field("Q8_0", description="llama.cpp's name; below 500 M parameters 4 bits visibly hurt")
    form: Literal["merged", "adapter"] = Field(
        "merged", description="adapter: the base as a GGUF, and what was learned as a small LoRA GGUF"
    )
    importance: bool = Field(False, description="measure an importance matrix on the training side")
    calibration_tokens: int = Field(4096, ge=512, description="tokens that it is measured on")
    n_tokens: int = Field(2048, ge=16, description="held-out tokens on which file and model are compared")
    context: int = Field(512, ge=64, description="tokens of a held-out row that are read, at most")
    max_kl: float = Field(0.15, gt=0, le=20, description="nats per token between model and file, at most")
    min_top1: float = Field(0.8, gt=0, le=1, description="how often both find the same token likeliest")
    max_perplexity_ratio: float = Field(1.25, gt=0, le=1000, description="of the file to the model")
    threads: int = Field(1, ge=1, le=256)
    device: Device = Field("auto", description="of the Hugging Face side")


class EvaluationTasksConfig(StageConfig):
    """Tasks of the user's own."""

    tasks: list[str] = Field(
        default_factory=list, description="YAML files of lm-eval tasks with local data, or their directories"
    )


class ScoringConfig(StageConfig):
    """What models are asked."""

    HOW: ClassVar[frozenset[str]] = frozenset({"threads", "device"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"seed", "judge_key_env"})

    max_examples: int = Field(200, ge=1, description="held-out rows for the loss, drawn by the seed")
    answers: int = Field(0, ge=0, description="held-out questions that are answered and compared; none if 0")
    prompts: list[str] = Field(
        default_factory=list, description="questions that every model answers, to be read side by side"
    )
    max_new_tokens: int = Field(256, ge=1, description="of an answer")
    context: int = Field(2048, ge=64, description="tokens of prompt and answer together, at most")
    reasoning: list[str] = Field(
        default_factory=list, description="tasks of reasoning-gym, as name or name:size, such as chain_sum:50"
    )
    chat_tasks: Literal["generate_until", "all", "none"] = Field(
        "generate_until", description="which tasks are asked through the chat template"
    )
    limit: int | None = Field(None, ge=1, description="documents of a task, at most; all if not given")
    judge_url: str = Field("", description=JUDGE)
    judge_model: str = Field("", description="name of the judge at that server")
    judge_key_env: str = Field("", description="NAME of the variable that holds its key: BLUT_JUDGE_...")
    judge_samples: int = Field(20, ge=1, description="held-out questions whose answers are judged")
    seed: int = Field(42, ge=0)
    threads: int = Field(1, ge=1, le=256)
    device: Device = Field("auto", description="of the Hugging Face side")


class EvaluationConfig(ScoringConfig):
    """What the models of a training are asked."""

    models: list[str] = Field(
        default_factory=lambda: ["base", "tuned", "quantised"],
        description="of these three, those that are scored side by side",
    )


def refuse_missing_scorers(config: ScoringConfig) -> None:
    """Find out now what an evaluation would say after hours of training.

    Raises:
        ValueError: a scorer is not to be had; naming the field and the remedy.
    """
    from cookbooks.llm.evaluation.judge import JudgeError, judge_of
    from cookbooks.llm.evaluation.reasoning import size_of

    for name in config.reasoning:
        size_of(name)
    try:
        judge_of(config.judge_url, config.judge_model, config.judge_key_env)
    except JudgeError as error:
        raise ValueError(str(error)) from error
