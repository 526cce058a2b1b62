"""Computes held-out loss exactly: the mean over learned tokens, however they fall into batches."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from blut_resources.payload_kit.ranks import ours

if TYPE_CHECKING:
    from transformers import Trainer

Example = dict[str, list[int]]


def held_out(trainer: "Trainer", examples: Sequence[Example]) -> dict[str, float]:
    """Returns ``eval_loss`` in nats per learned token, and how often that token is the likeliest.

    The model of the trainer carries TRL's fused output layer: logits are never held whole.
    """
    import torch

    model, ranks = cast(Any, trainer.model), ours()
    was_training, batch_size = model.training, trainer.args.per_device_eval_batch_size
    loss, right, count = 0.0, 0, 0
    model.eval()
    try:
        with torch.no_grad():
            batches = [*_batches(examples, batch_size, model.config.pad_token_id or 0)]
            for batch in batches[ranks.mine]:
                given = {name: torch.tensor(rows, device=trainer.args.device) for name, rows in batch.items()}
                with as_in_training(trainer.args):
                    out: Any = model(**given, fused_lm_head=True)
                loss -= float(out.log_probs.double().sum())
                right += int(out.is_top1.sum())
                count += int(out.label_mask.sum())
    finally:
        model.train(was_training)
    loss, right, count = ranks.total(loss, right, count)
    if count == 0:
        return {}
    return {"eval_loss": loss / count, "eval_token_accuracy": right / count}


def as_in_training(args: Any) -> contextlib.AbstractContextManager[Any]:
    """Returns the dtype that a step computes in;
    the model itself gets it only when its training has begun.
    """
    import torch

    if not (args.bf16 or args.fp16):
        return contextlib.nullcontext()
    return torch.autocast(args.device.type, torch.bfloat16 if args.bf16 else torch.float16)


def _batches(examples: Sequence[Example], size: int, pad: int) -> Iterator[dict[str, list[list[int]]]]:
    """Yields batches of similar lengths, padded on the right."""
    ordered = sorted(examples, key=lambda one: len(one["input_ids"]))
    for start in range(0, len(ordered), size):
        part = ordered[start : start + size]
        width = len(part[-1]["input_ids"])
        fills = {"input_ids": pad, "labels": -100}
        batch = {n: [one[n] + [f] * (width - len(one[n])) for one in part] for n, f in fills.items()}
        mask = [[1] * len(one["input_ids"]) + [0] * (width - len(one["input_ids"])) for one in part]
        yield {**batch, "attention_mask": mask}
