"""Trains the trunk of a controller without labels: hidden frames are to be told from those before them.

Half of all two-second spans of the inputs are zero, and the trunk, which looks at the past alone, is to
say what stood there. To be worth starting from it must do better than two guesses that need no training: the
last number that was seen, and the mean.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.controller.deciders import standardised
from cookbooks.lamquant.controller.pooling import N_POOLED, pool
from cookbooks.lamquant.controller.presets import ControllerPreset
from cookbooks.lamquant.controller_training.examples import Drawer, LabelledExample, standardisation
from cookbooks.lamquant.controller_training.nets import SsmNet
from cookbooks.lamquant.controller_training.tensors import optimizer_tensors, parts, restore_optimizer

SPAN_S, HIDDEN = 2.0, 0.5
_VAL_SEED = 0x3A5C
_WARM_FRAMES = 20


def hidden_spans(rng: np.random.Generator, rows: int, frames: int, span: int) -> NDArray[np.bool_]:
    """Returns which frames are hidden, ``[rows, frames]``: each span with the same chance."""
    spans = rng.random((rows, -(-frames // span) + 1)) < HIDDEN
    shift = int(rng.integers(0, span))
    return np.repeat(spans, span, axis=1)[:, shift : shift + frames]


def held(x: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Returns ``x`` ``[B, T, n]`` with each hidden frame as the last one that was seen; 0 before there is."""
    at = np.maximum.accumulate(np.where(hidden, -1, np.arange(x.shape[1])), axis=1)
    found = np.take_along_axis(x, np.maximum(at, 0)[..., None], axis=1)
    return np.where((at >= 0)[..., None], found, 0).astype(np.float32)


class MaskedNet(torch.nn.Module):
    """Holds a trunk and a layer that says what is hidden."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.controller = SsmNet(width, depth)
        self.guess = torch.nn.Linear(width, N_POOLED)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what is thought to stand in each frame, ``[B, T, 27]``."""
        return self.guess(self.controller.trunk(x))


@dataclass
class MaskedTrainer:
    """Holds net, optimiser and their state.

    Args:
        examples: of train and validation patients; labels are not looked at.
        frames: length of a crop; ``span`` likewise of what is hidden at once.
    """

    examples: Sequence[LabelledExample]
    preset: ControllerPreset
    frames: int
    span: int
    seed: int
    epoch: int = 0
    best_loss: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        train = [one for one in self.examples if one.split == "train"]
        self.arrays = standardisation(train, everything=True)
        self._drawer = Drawer(train, self.frames, everything=True)
        self._val = self._validation([one for one in self.examples if one.split == "val"])
        torch.manual_seed(self.seed)
        self.net = MaskedNet(self.preset.width, self.preset.depth)
        self.best = copy.deepcopy(self.net.state_dict())
        self._optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.preset.lr, weight_decay=0.01)

    def _standardised(self, features: NDArray[np.int32]) -> NDArray[np.float32]:
        flat = standardised(self.arrays, features.reshape(-1, N_POOLED))
        return (flat.reshape(features.shape) / 256).astype(np.float32)

    def _validation(
        self, val: Sequence[LabelledExample]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
        rng = np.random.Generator(np.random.Philox(key=[_VAL_SEED, 0]))
        found = []
        for one in val:
            x = self._standardised(pool(one.measured).features[None])
            found.append((x, hidden_spans(rng, 1, x.shape[1], self.span)))
        return found

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, validate, keep what is the best so far; its metrics.

        Raises:
            Diverged: the loss is NaN or infinite; nothing of that epoch is kept.
        """
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(key=[self.seed, self.epoch]))
        loss = 0.0
        for number in range(self.preset.steps):
            share = (self.epoch - 1 + number / self.preset.steps) / self.preset.epochs
            loss += self._step(rng, share) / self.preset.steps
        metrics = {"loss": loss, "val_loss": self.masked_loss()}
        if not all(math.isfinite(one) for one in metrics.values()):
            raise Diverged(f"epoch {self.epoch}: {metrics}; lower lr={self.preset.lr:g}")
        if metrics["val_loss"] < self.best_loss:
            self.best_loss, self.best_epoch = metrics["val_loss"], self.epoch
            self.best = copy.deepcopy(self.net.state_dict())
        self.history.append({"epoch": self.epoch} | metrics)
        return metrics

    def _step(self, rng: np.random.Generator, share: float) -> float:
        features, _ = self._drawer.draw(rng, self.preset.batch_size)
        x = self._standardised(features)
        hidden = hidden_spans(rng, len(x), x.shape[1], self.span)
        guessed = self.net(torch.from_numpy(np.where(hidden[..., None], 0, x).astype(np.float32)))
        counted = torch.from_numpy(hidden[..., None].astype(np.float32))
        counted[:, : min(_WARM_FRAMES, self.frames // 4)] = 0
        loss = ((guessed - torch.from_numpy(x)) ** 2 * counted).sum() / (
            counted.sum().clamp(min=1) * N_POOLED
        )
        for group in self._optimizer.param_groups:
            group["lr"] = self.preset.lr * max(0.5 * (1 + math.cos(math.pi * share)), 0.01)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self._optimizer.step()
        return float(loss.detach())

    def masked_loss(self) -> float:
        """Returns the mean squared error in hidden frames of the validation patients."""

        def guess(x: NDArray[np.float32], hidden: NDArray[np.bool_]) -> NDArray[np.float32]:
            with torch.no_grad():
                seen = torch.from_numpy(np.where(hidden[..., None], 0, x).astype(np.float32))
                return self.net(seen).numpy()

        return self._loss(guess)

    def baseline_loss(self) -> float:
        """Returns the same of the better of two guesses: the last that was seen, and the mean."""
        return min(self._loss(held), self._loss(lambda x, _: np.zeros_like(x)))

    def _loss(self, guess: Any) -> float:
        total, n = 0.0, 0
        for x, hidden in self._val:
            wrong = ((guess(x, hidden) - x) ** 2)[hidden]
            total, n = total + float(wrong.sum()), n + wrong.size
        return total / max(n, 1)

    def n_parameters(self) -> int:
        """Returns how many numbers of the trunk were trained."""
        return sum(p.numel() for p in self.net.controller.blocks.parameters())

    def trunk(self) -> dict[str, torch.Tensor]:
        """Returns the tensors of the best epoch's trunk, by the names of `SsmNet`."""
        prefix = "controller.blocks."
        return {f"blocks.{n[len(prefix) :]}": t for n, t in self.best.items() if n.startswith(prefix)}

    @property
    def steps(self) -> int:
        """Returns the optimiser steps of the finished epochs."""
        return self.epoch * self.preset.steps

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors = {f"net.{n}": t for n, t in self.net.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        tensors |= optimizer_tensors(self._optimizer)
        facts = {"epoch": self.epoch, "history": self.history}
        return tensors, facts | {"best": [self.best_loss, self.best_epoch]}

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self.epoch, self.history = int(facts["epoch"]), list(facts["history"])
        self.best_loss, self.best_epoch = facts["best"]
        self.net.load_state_dict(parts(tensors, "net."))
        self.best = parts(tensors, "best.")
        restore_optimizer(self._optimizer, parts(tensors, "adam."))
