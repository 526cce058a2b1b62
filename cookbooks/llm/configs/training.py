"""Defines typed configs of the trainings. Fields in ``HOW`` say how to compute, not what."""

from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from blut_assets.stages.ranks import RankedConfig
from blut_resources.payload_kit.device import Device
from blut_resources.payload_kit.ranks import shares_of_update

Method = Literal["full", "lora", "qlora"]
Dtype = Literal["auto", "float32", "bfloat16", "float16"]
Attention = Literal["auto", "sdpa", "eager"]
Schedule = Literal["linear", "cosine", "constant", "constant_with_warmup"]
PreferenceLoss = Literal[
    "sigmoid",
    "hinge",
    "ipo",
    "exo_pair",
    "nca_pair",
    "robust",
    "bco_pair",
    "sppo_hard",
    "aot",
    "aot_unpaired",
    "apo_zero",
    "apo_down",
    "discopop",
    "sft",
    "sigmoid_norm",
]
Distillation = Literal["sequence", "logit", "on_policy"]

NEEDS_SMOOTHING = ("exo_pair",)
HF_EXTRA = (
    "further settings of transformers' TrainingArguments, such as {weight_decay: 0.1, optim: adafactor}"
)


class TrainingConfig(RankedConfig):
    """Says what all trainings share."""

    STATES: ClassVar[str] = "checkpoint-*"
    HOW: ClassVar[frozenset[str]] = frozenset({"resume", "save_steps", "prompts"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset(
        {
            "resume",
            "seed",
            "lr",
            "schedule",
            "warmup_ratio",
            "weight_decay",
            "alpha",
            "rslora",
            "max_grad_norm",
        }
    )
    DURATION: ClassVar[frozenset[str]] = frozenset({"epochs", "max_steps", "save_steps", "eval_steps"})

    method: Method = Field(
        "lora", description="all weights, an adapter, or an adapter on a base in 4 bits (needs bitsandbytes)"
    )
    epochs: int = Field(3, ge=1, le=1000)
    max_steps: int | None = Field(None, ge=1, description="end after so many steps; all epochs if not given")
    lr: float | None = Field(None, gt=0, le=1, description="learning rate; the trainer's own if not given")
    batch_size: int = Field(1, ge=1, description="examples that go through the model at once")
    grad_accum: int = Field(8, ge=1, description="batches before an update")
    seq_len: int = Field(2048, ge=8, description="an example with more tokens is refused")
    rank: int = Field(16, ge=1, le=256, description="of the adapter (LoRA); `ranks` are processes")
    alpha: int = Field(32, ge=1, le=1024, description="scale of the adapter, over its rank")
    dropout: float = Field(0.05, ge=0, lt=1, description="of the adapter's inputs")
    rslora: bool = Field(False, description="scale the adapter over the square root of its rank (rsLoRA)")
    dora: bool = Field(False, description="train the length of each weight vector apart (DoRA); slower")
    target_modules: list[str] = Field(
        default_factory=list,
        description="linear layers with an adapter, such as [q_proj, v_proj]; all but the output if empty",
    )
    schedule: Schedule = Field("linear", description="of the learning rate, after the warm-up")
    warmup_ratio: float = Field(0.0, ge=0, lt=1, description="share of the steps")
    weight_decay: float = Field(0.0, ge=0, le=1)
    max_grad_norm: float = Field(1.0, ge=0, description="longer gradients are shortened to this; 0: never")
    seed: int = Field(42, ge=0, lt=2**32)
    device: Device = Field("auto", description="auto takes CUDA where there is one")
    dtype: Dtype = Field("auto", description="auto: float32 on a CPU, bfloat16 on a GPU that has it")
    attention: Attention = Field("auto", description="auto: sdpa where the architecture supports it")
    gradient_checkpointing: bool = Field(False, description="less memory, a third more time")
    threads: int = Field(1, ge=1, le=256, description="CPU threads; equal numbers give equal bytes")
    hf_extra: dict[str, Any] = Field(default_factory=dict, description=HF_EXTRA)
    eval_steps: int | None = Field(
        None, ge=1, description="steps between looks at the held-out side; once an epoch if not given"
    )
    resume: Literal["auto", "never"] = Field("auto", description="auto continues a killed training")
    save_steps: int | None = Field(
        None, ge=1, description="steps between checkpoints to resume from; one an epoch if not given"
    )
    prompts: list[str] = Field(
        default_factory=list,
        description="questions that the UI shows the answers to, before and after; a training asks two",
    )

    @model_validator(mode="after")
    def _equal_shares(self) -> "TrainingConfig":
        shares_of_update(self.batch_size, self.grad_accum, self.together)
        return self

    def planned_epochs(self) -> int | None:
        return None if self.max_steps else self.epochs


class SftCheckpointConfig(TrainingConfig):
    """Says how a model is fine-tuned on examples."""


class DpoCheckpointConfig(TrainingConfig):
    """Says how a model learns to prefer one answer over another."""

    beta: float = Field(0.1, gt=0, description="how strongly the model is held to its reference")
    loss: PreferenceLoss = Field("sigmoid", description="sigmoid is the one of the DPO paper")
    label_smoothing: float = Field(
        0.0, ge=0, lt=0.5, description="share of preferences taken for wrong; exo_pair needs some, as 0.001"
    )


class DistilledCheckpointConfig(TrainingConfig):
    """Says how a student learns from a teacher."""

    distillation: Distillation = Field(
        "logit",
        description="sequence: learn the teacher's answers; logit: its distribution over the examples'"
        " answers; on_policy: its distribution over what the student itself writes",
    )
    kl_weight: float = Field(
        0.5, ge=0, le=1, description="of the teacher's distribution in the loss; the answers have the rest"
    )
    temperature: float = Field(1.0, gt=0, le=10, description="both distributions are flattened by")
    max_new_tokens: int = Field(256, ge=1, description="of an answer that is written")
    teacher_temperature: float = Field(0.0, ge=0, le=2, description="of written answers; 0: the likeliest")
    teacher_batch_size: int = Field(4, ge=1, description="prompts that the teacher answers at once")

    @model_validator(mode="after")
    def _one_writer(self) -> "DistilledCheckpointConfig":
        if self.distillation == "on_policy" and self.together > 1:
            raise ValueError(
                f"gpus = {self.gpus} and ranks = {self.ranks} with distillation = 'on_policy': one process"
                " writes the answers and learns from them; leave both out, or choose sequence or logit"
            )
        return self


DEFAULT_LR = {
    SftCheckpointConfig: {"full": 2e-5, "lora": 2e-4, "qlora": 2e-4},
    DpoCheckpointConfig: {"full": 1e-6, "lora": 5e-6, "qlora": 5e-6},
    DistilledCheckpointConfig: {"full": 2e-5, "lora": 1e-4, "qlora": 1e-4},
}


def learning_rate(config: TrainingConfig) -> float:
    """Returns the learning rate that is trained with."""
    return DEFAULT_LR[type(config)][config.method] if config.lr is None else config.lr


def refuse_senseless(config: TrainingConfig) -> None:
    """Find out now what a training would say after the model is loaded.

    Raises:
        ValueError: naming the field, its value and the remedy.
    """
    chosen = {"rslora": config.rslora, "dora": config.dora, "target_modules": config.target_modules}
    if config.method == "full" and (given := [name for name, value in chosen.items() if value]):
        raise ValueError(f"{given[0]} = {chosen[given[0]]!r} is of an adapter, and method = 'full' has none")
    if not isinstance(config, DpoCheckpointConfig):
        return
    if config.loss in NEEDS_SMOOTHING and not config.label_smoothing:
        raise ValueError(
            f"loss = {config.loss!r} needs label_smoothing > 0, which is {config.label_smoothing}: set 0.001"
        )
