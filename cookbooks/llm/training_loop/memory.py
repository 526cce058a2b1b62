"""Estimates the memory that a training needs: a sum over the model's shapes, before anything is loaded.

Sizes are bytes. Nothing here needs torch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from blut_resources.machine.memory import memory, size_text
from blut_resources.payload_kit.refuse import Refused
from cookbooks.llm.models.directory import model_config, tensor_shapes, text_config, weight_files
from cookbooks.llm.training_loop.settings import TrainingSettings

EMBEDDINGS = ("embed", "wte", "wpe", "lm_head", "output_embed")
TILE_ROWS, TILE_COLUMNS, TILE_COPIES = 4096, 32768, 8
"""TRL projects onto the vocabulary in tiles of this size, and holds about so many of one tile."""

KEPT = 1.15
"""Activations kept for the way back, per input and output of a linear layer (measured on Llama layers)."""

SLACK, SLACK_ACTIVATIONS = 0.1, 0.4
"""What the allocator holds beyond what was asked of it, as a share: more where sizes change from batch to
batch and leave gaps (measured with glibc)."""

TRAINER = 100 << 20
"""What the trainer, its data and lazily imported code take on a CPU once it runs (measured)."""


@dataclass(frozen=True)
class Shapes:
    """Says what of a model counts: parameters, linear layers as (out, in), and the sizes of its config."""

    n_params: int
    largest: int
    linear: tuple[tuple[int, int], ...]
    layers: int
    hidden: int
    heads: int
    vocab: int
    file_bytes: int

    @classmethod
    def of(cls, root: Path) -> "Shapes":
        """Read from the headers of a model directory."""
        shapes = tensor_shapes(root)
        sizes = {name: math.prod(shape) for name, (_, shape) in shapes.items()}
        linear = tuple(
            (shape[0], shape[1])
            for name, (_, shape) in shapes.items()
            if len(shape) == 2 and not any(word in name for word in EMBEDDINGS)
        )
        config = text_config(model_config(root))
        return cls(
            n_params=sum(sizes.values()),
            largest=max(sizes.values()),
            linear=linear,
            layers=int(config.get("num_hidden_layers") or config.get("n_layer") or 1),
            hidden=int(config.get("hidden_size") or config.get("n_embd") or 0),
            heads=int(config.get("num_attention_heads") or config.get("n_head") or 1),
            vocab=int(config["vocab_size"]),
            file_bytes=sum(path.stat().st_size for path in weight_files(root)),
        )

    def adapter_params(self, rank: int) -> int:
        """Returns the parameters of a LoRA adapter on every linear layer."""
        return sum(rank * (out + into) for out, into in self.linear)

    def weights(self, width: float, linear: float) -> int:
        """Returns the bytes of the weights, where those of linear layers take other ones than the rest."""
        inside = sum(out * into for out, into in self.linear)
        return int(inside * linear + (self.n_params - inside) * width)


@dataclass(frozen=True)
class Load:
    """Says what a step works on. ``sequences`` is how many go through the model at once."""

    sequences: int
    length: int
    learned: int = 0
    """Positions whose whole distribution is held at once; none where the loss is computed in tiles."""

    @property
    def tokens(self) -> int:
        """Returns the positions of a batch, padding included."""
        return self.sequences * self.length


@dataclass(frozen=True)
class MemoryEstimate:
    """Says what is held at the moments that can be the peak: part by part, by the name of the moment."""

    moments: Mapping[str, Mapping[str, int]]

    @property
    def peak(self) -> int:
        """Returns the largest moment."""
        return max(sum(parts.values()) for parts in self.moments.values())

    def describe(self) -> str:
        """Returns the arithmetic of the largest moment."""
        when, parts = max(self.moments.items(), key=lambda item: sum(item[1].values()))
        terms = " + ".join(f"{name} {size_text(size)}" for name, size in parts.items() if size)
        return f"about {size_text(self.peak)} {when}: {terms}"


def estimate(
    shapes: Shapes, settings: TrainingSettings, load: Load, *, weights: int, width: int, baseline: int,
    attention: str = "sdpa", extra: Mapping[str, int] | None = None,
) -> MemoryEstimate:  # fmt: skip
    """Returns the peak of a training.

    Args:
        weights: bytes of the base.
        width: bytes of a number in the activations.
        baseline: what the process holds before the model is loaded.
        extra: other models and their work, by name.
    """
    full = settings.method == "full"
    trained, largest = (
        (shapes.n_params, shapes.largest)
        if full
        else (shapes.adapter_params(settings.rank), settings.rank * max(map(sum, shapes.linear), default=0))
    )
    held = {
        "libraries": baseline,
        "weights": weights,
        "adapter": 0 if full else 4 * trained,
        **(extra or {}),
    }
    optimizer, gradients = {"optimizer": 8 * trained}, {"gradients": 4 * trained}
    between = gradients if settings.grad_accum > 1 else {}
    whole = max((out * into for out, into in shapes.linear), default=0)
    work = {
        # of one layer at a time: its weights with the adapter's in them, by whose length DoRA divides
        "merged layer": 12 * whole if settings.dora else 0,
        "activations": int(_activations(shapes, settings, load, width, attention)),
        "vocabulary": _vocabulary(shapes, load, full),
    }
    moments = {
        "while the model is loaded": {**held, "file": shapes.file_bytes},
        "at the start of a backward pass": {**held, **optimizer, **between, **work},
        "at the update": {**held, **optimizer, **gradients, "temporaries": 8 * largest},
    }
    return MemoryEstimate({when: _with_slack(parts) for when, parts in moments.items()})


def _with_slack(parts: Mapping[str, int]) -> dict[str, int]:
    shares = {"libraries": 0.0, "activations": SLACK_ACTIVATIONS}
    return {**parts, "allocator": int(sum(size * shares.get(name, SLACK) for name, size in parts.items()))}


def _activations(shapes: Shapes, settings: TrainingSettings, load: Load, width: int, attention: str) -> float:
    outer = sum(out + into for out, into in shapes.linear)
    per_token = outer * KEPT * width
    if settings.method != "full":
        copies = 1 if settings.dropout else 0
        adapters = sum(copies * into + settings.rank for _, into in shapes.linear)
        per_token += adapters * (4 if width == 4 else 3)
    if settings.dora:
        # beside what a layer gives, its part before and after it is scaled
        per_token += 2 * sum(out for out, _ in shapes.linear) * 4
    squares = 3 * width * shapes.heads * load.length**2 * load.sequences if attention == "eager" else 0
    if settings.gradient_checkpointing:
        kept = shapes.layers * shapes.hidden * width * load.tokens
        return kept + (per_token * load.tokens) / shapes.layers + squares
    return per_token * load.tokens + squares * shapes.layers


def _vocabulary(shapes: Shapes, load: Load, full: bool) -> int:
    tiles = TILE_COPIES * 4 * min(load.tokens, TILE_ROWS) * min(shapes.vocab, TILE_COLUMNS)
    whole = 6 * 4 * load.learned * shapes.vocab
    return max(tiles, whole) + (4 * shapes.vocab * shapes.hidden if full else 0)


def inference_bytes(shapes: Shapes, load: Load, width: int) -> int:
    """Returns the weights of a frozen model and what it holds of one layer while it reads a batch."""
    layer = max((out + into for out, into in shapes.linear), default=0)
    return int(shapes.n_params * width + 4 * layer * load.tokens * width)


def refuse_too_much(found: MemoryEstimate, limit_bytes: int | None, device: str, ranks: int = 1) -> None:
    """Stop before anything large is loaded if the training cannot fit, of which each rank needs as much.

    Raises:
        Refused: with the arithmetic and what to change.
    """
    each = f", in each of {ranks} processes" if ranks > 1 else ""
    for limit, what in _limits(limit_bytes, device):
        share = limit if device == "cuda" else limit // ranks
        if found.peak > share:
            raise Refused(
                f"this training needs {found.describe()}{each}; {what} is {size_text(limit)}. Lower"
                " batch_size (and raise grad_accum as much), shorten the longest rows, set"
                " gradient_checkpointing, or train an adapter (method lora)"
            )


def _limits(limit_bytes: int | None, device: str) -> list[tuple[int, str]]:
    if device == "cuda":
        import torch

        return [(torch.cuda.mem_get_info()[0], "the free memory of the GPU")]
    limits = [(memory().total, "the memory of this machine")]
    return ([(limit_bytes, "the memory limit")] if limit_bytes else []) + limits


def resident() -> int:
    """Returns what this process holds now."""
    return _status("VmRSS")


def peak() -> int:
    """Returns the most this process has held (``ru_maxrss`` would count the parent it was forked from)."""
    return _status("VmHWM")


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) << 10
    return 0
