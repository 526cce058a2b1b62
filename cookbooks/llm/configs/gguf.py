"""Defines typed configs of a GGUF. Fields in ``HOW`` say how to compute, not what."""

from typing import ClassVar, Literal

from pydantic import Field

from blut_assets.recipes import like
from blut_assets.stages import StageConfig
from cookbooks.llm.configs.training import Device

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


class GgufPreflightConfig(StageConfig):
    """Says whether a training is for a GGUF at all."""

    check: Literal["gguf", "none"] = Field(
        "gguf", description="none: the result stays a Hugging Face model, so llama.cpp is not asked"
    )
    chat: Literal["required", "optional"] = Field(
        "required", description="optional: the model need not have a chat template"
    )


class MergedConfig(StageConfig):
    """Says how the tuned model is called."""

    HOW: ClassVar[frozenset[str]] = frozenset({"threads"})
    COST_NEUTRAL: ClassVar[frozenset[str]] = frozenset({"name"})

    name: str = Field("", max_length=96, description="of the model; from the base and the method if empty")
    threads: int = Field(1, ge=1, le=256)


class GgufConfig(StageConfig):
    """Says what kind of GGUF, and how faithful it must be."""

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
    threads: int = like(MergedConfig, "threads")
    device: Device = Field("auto", description="of the Hugging Face side")
