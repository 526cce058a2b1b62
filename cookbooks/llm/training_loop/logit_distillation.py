"""Trains off-policy: the student learns the answers, and the teacher's whole distribution over them."""

from typing import Any

import torch
from torch.nn import functional
from torch.utils.checkpoint import checkpoint
from trl.trainer.sft_trainer import SFTTrainer

ROWS = 256
"""Positions whose divergence is computed at a time."""


def divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    """Returns KL(teacher || student) in nats, summed over positions, of logits [positions, vocabulary]."""
    ours = functional.log_softmax(student.float() / temperature, dim=-1)
    theirs = functional.log_softmax(teacher.float() / temperature, dim=-1)
    return functional.kl_div(ours, theirs, reduction="sum", log_target=True)


class LogitDistillation(SFTTrainer):
    """Trains by SFT whose loss is ``(1 - kl_weight) CE + kl_weight T² KL(teacher || student)`` per learned
    token.

    Only positions that carry a label count, in both terms. The factor T² keeps the gradient of the second as
    large as at temperature 1.
    """

    def __init__(
        self, *args: Any, teacher: Any, n_tokens: int, kl_weight: float, temperature: float, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.teacher = self.accelerator.prepare_model(teacher, evaluation_mode=True)
        self.n_tokens, self.kl_weight, self.temperature = n_tokens, kl_weight, temperature

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Returns the loss of a batch, over the positions that any of its rows learns."""
        labels = inputs["labels"][:, 1:]
        learned = labels != -100
        where = learned.any(0).nonzero().squeeze(1)
        rows, targets = learned[:, where], labels[learned]
        given = {name: inputs[name] for name in ("input_ids", "attention_mask")}
        student = model(**given, logits_to_keep=where).logits[rows]
        with torch.no_grad():
            teacher = self.teacher(**given, logits_to_keep=where).logits[rows]
        likely = functional.cross_entropy(student.float(), targets, reduction="sum")
        apart = self._apart(student[:, : self.n_tokens], teacher[:, : self.n_tokens])
        count = len(targets) if num_items_in_batch is None else num_items_in_batch
        # of the tokens of all ranks, whose gradients are averaged
        count = count if num_items_in_batch is None else count / self.accelerator.num_processes
        self._note(student, targets, likely, apart)
        mixed = (1 - self.kl_weight) * likely + self.kl_weight * self.temperature**2 * apart
        return (mixed / count, {}) if return_outputs else mixed / count

    def _apart(self, student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
        parts = zip(student.split(ROWS), teacher.split(ROWS), strict=True)
        found = [checkpoint(divergence, s, t, self.temperature, use_reentrant=False) for s, t in parts]
        return torch.stack(found).sum()  # type: ignore[arg-type]

    def _note(
        self, student: torch.Tensor, targets: torch.Tensor, likely: torch.Tensor, apart: torch.Tensor
    ) -> None:
        """Note metrics of the batch, per learned token; the trainer logs their mean over the step."""
        metrics, n = self._metrics["train"], max(1, len(targets))
        metrics["cross_entropy"].append(float(likely.detach()) / n)
        metrics["kl"].append(float(apart.detach()) / n)
        metrics["mean_token_accuracy"].append(float((student.argmax(-1) == targets).float().mean()))
