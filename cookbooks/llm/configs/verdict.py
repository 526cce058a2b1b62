"""Defines typed configs of what models are asked. Fields in ``HOW`` say how to compute, not what."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from blut_assets.paths import AsPath
from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from cookbooks.llm.configs.gguf import GgufConfig
from cookbooks.llm.configs.training import Device

JUDGE = "of any OpenAI-compatible server, such as http://127.0.0.1:8080/v1; nobody is asked if empty"


class EvaluationTasksConfig(StageConfig):
    """Names tasks of the user's own."""

    tasks: Annotated[list[str], AsPath()] = Field(
        default_factory=list, description="YAML files of lm-eval tasks with local data, or their directories"
    )


class ScoringConfig(StageConfig):
    """Says what models are asked."""

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
    threads: int = like(GgufConfig, "threads")
    device: Device = like(GgufConfig, "device")


class EvaluationConfig(ScoringConfig):
    """Says what the models of a training are asked."""

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
