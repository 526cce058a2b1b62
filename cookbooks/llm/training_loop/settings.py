"""Says what a training is told: the configs of `cookbooks.llm.configs.training`, as a payload reads them.

Defaults are for a JSON file that was written by hand; an asset gives every field.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from blut_resources.payload_kit.config import Bounds
from blut_resources.payload_kit.device import Device

AtLeastOne = Annotated[int, Bounds(1)]


@dataclass(frozen=True, kw_only=True)
class TrainingSettings:
    """Holds what all trainings are told.

    Attributes:
        digests: of the models that it starts from, by input.
        memory_limit_bytes: what the process is held to; None if to nothing.
    """

    method: Literal["full", "lora", "qlora"]
    epochs: AtLeastOne
    lr: Annotated[float, Bounds(above=0, high=1)]
    batch_size: AtLeastOne
    grad_accum: AtLeastOne
    seq_len: AtLeastOne
    rank: AtLeastOne
    alpha: AtLeastOne
    seed: Annotated[int, Bounds(0, below=2**32)]
    dropout: Annotated[float, Bounds(0, below=1)] = 0.0
    rslora: bool = False
    dora: bool = False
    target_modules: list[str] = field(default_factory=list)
    max_steps: AtLeastOne | None = None
    schedule: str = "linear"
    warmup_ratio: Annotated[float, Bounds(0, below=1)] = 0.0
    weight_decay: Annotated[float, Bounds(0, 1)] = 0.0
    max_grad_norm: Annotated[float, Bounds(0)] = 1.0
    device: Device = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    attention: Literal["auto", "sdpa", "eager"] = "auto"
    gradient_checkpointing: bool = False
    threads: Annotated[int, Bounds(1, 256)] = 1
    hf_extra: Mapping[str, Any] = field(default_factory=dict)
    eval_steps: AtLeastOne | None = None
    resume: Literal["auto", "never"] = "auto"
    save_steps: AtLeastOne | None = None
    prompts: list[str] = field(default_factory=list)
    digests: Mapping[str, str] = field(default_factory=dict)
    memory_limit_bytes: AtLeastOne | None = None


@dataclass(frozen=True, kw_only=True)
class DpoSettings(TrainingSettings):
    """Holds what a training on preferences is told besides."""

    beta: Annotated[float, Bounds(above=0)]
    loss: str
    label_smoothing: Annotated[float, Bounds(0, below=0.5)] = 0.0


@dataclass(frozen=True, kw_only=True)
class DistillSettings(TrainingSettings):
    """Holds what a distillation is told besides."""

    distillation: Literal["sequence", "logit", "on_policy"]
    kl_weight: Annotated[float, Bounds(0, 1)]
    temperature: Annotated[float, Bounds(above=0)]
    max_new_tokens: AtLeastOne
    teacher_temperature: Annotated[float, Bounds(0)]
    teacher_batch_size: AtLeastOne


@dataclass(frozen=True, kw_only=True)
class TrainingInputs:
    """Names what a training starts from; a teacher where there is one."""

    base_model: Path
    split: Path
    teacher_model: Path | None = None
