"""Loads models for training as the method wants them, and puts the adapter on."""

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.chat import template
from cookbooks.llm.models.directory import tensor_shapes
from cookbooks.llm.training_loop.device import BYTES, Placement
from cookbooks.llm.training_loop.loading import load_whole, model_class
from cookbooks.llm.training_loop.memory import Shapes
from cookbooks.llm.training_loop.settings import TrainingSettings

if TYPE_CHECKING:
    from peft import LoraConfig
    from transformers import PreTrainedModel
    from transformers import PreTrainedTokenizerBase as Tokenizer

NF4_BYTES = 0.56
"""Bytes a parameter takes in NF4 with doubly quantised scales."""


def refuse_unready(settings: TrainingSettings, base: Path) -> None:
    """Refuse what can be known to fail without loading anything.

    Raises:
        Refused: the method needs a library that is not there, the base is not a whole model, or has no layer
            of a name that is to get an adapter.
    """
    if settings.method == "qlora" and importlib.util.find_spec("bitsandbytes") is None:
        raise Refused(
            "method='qlora': the package bitsandbytes is not installed; run `pip install bitsandbytes`,"
            " or use method lora"
        )
    if (base / "adapter_config.json").is_file():
        raise Refused(
            "base_model: this directory is an adapter, not a model: training starts from whole weights,"
            " so merge the adapter into its base first"
        )
    if not settings.target_modules:
        return
    shapes = tensor_shapes(base)
    layers = {name.split(".")[-2] for name, (_, shape) in shapes.items() if len(shape) == 2 and "." in name}
    for module in settings.target_modules:
        if module.rpartition(".")[2] not in layers:
            raise Refused(
                f"target_modules: {module!r} is no layer of this model; there are {', '.join(sorted(layers))}"
            )


def load_tokenizer(base: Path) -> "Tokenizer":
    """Returns the tokenizer of a model directory;
    it pads with its end token where it has none to pad with.

    Raises:
        MaskError: there is none that can be loaded.
    """
    tokenizer = template.load_tokenizer(base)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def supports_sdpa(base: Path) -> bool:
    """Says whether the model class of a directory can use PyTorch's fused attention."""
    return bool(getattr(model_class(base), "_supports_sdpa", False))


def load_model(base: Path, method: str, placement: Placement) -> "PreTrainedModel":
    """Returns the model to be trained.

    Weights that are trained stay in float32; frozen ones are in the dtype that is computed in.

    Raises:
        Refused: it is not whole, or came up with another attention than was reported.
    """
    import torch

    options: dict[str, Any] = {"attn_implementation": placement.attention}
    if method == "qlora":
        options |= {"quantization_config": _nf4(placement), "device_map": {"": placement.device}}
    frozen = method != "full"
    dtype = placement.torch_dtype if frozen else torch.float32
    model = load_whole(base, dtype=dtype, **options)
    model.config.use_cache = False
    if model.config._attn_implementation != placement.attention:
        raise Refused(
            f"attention: {placement.attention} was asked for and {model.config._attn_implementation} came up;"
            " set attention to that"
        )
    return model


def load_frozen(base: Path, placement: Placement) -> "PreTrainedModel":
    """Returns a model that is only read: a reference or a teacher.

    Raises:
        Refused: it is not whole.
    """
    model = load_whole(base, dtype=placement.torch_dtype, attn_implementation=placement.attention)
    model.config.use_cache = False
    return model.requires_grad_(False).eval()


def _nf4(placement: Placement) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=placement.torch_dtype,
    )


def weights_bytes(shapes: Shapes, method: str, placement: Placement) -> int:
    """Returns what the base takes when it is loaded for a method."""
    width = 4 if method == "full" else BYTES[placement.dtype]
    return shapes.weights(width, NF4_BYTES if method == "qlora" else width)


def adapter(settings: TrainingSettings) -> "LoraConfig | None":
    """Returns LoRA on the layers that are named, or on every linear one but the output;
    None where all weights are trained.

    rsLoRA is of https://arxiv.org/abs/2312.03732, DoRA of https://arxiv.org/abs/2402.09353.
    """
    from peft import LoraConfig

    if settings.method == "full":
        return None
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        use_rslora=settings.rslora,
        use_dora=settings.dora,
        target_modules=settings.target_modules or "all-linear",
        task_type="CAUSAL_LM",
    )


def n_trainable(model: Any) -> int:
    """Returns the number of parameters that are trained."""
    return sum(p.numel() for p in model.parameters() if p.requires_grad)
