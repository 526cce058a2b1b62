"""Trains controllers on crops, one resumable epoch at a time, and judges each epoch in integers.

The logistic controller is always trained beside the other one, on the same crops. Random numbers come from
counters (seed, epoch), so an epoch is the same whether or not the process was started anew before it. Each
epoch is judged by the integers that would ship, on whole validation recordings. The epoch with the largest
area under the ROC curve is kept: of a handful of events, sensitivity takes a handful of values.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.controller.deciders import Arrays, decider, standardised
from cookbooks.lamquant.controller.figures import auc
from cookbooks.lamquant.controller.pooling import pool
from cookbooks.lamquant.controller.presets import ControllerPreset
from cookbooks.lamquant.controller_training.examples import Drawer, LabelledExample, standardisation
from cookbooks.lamquant.controller_training.nets import net_of
from cookbooks.lamquant.controller_training.tensors import optimizer_tensors, parts, restore_optimizer
from cookbooks.lamquant.labels.frames import SEEN_CRITICAL, SEEN_INTERESTING, UNLABELLED

_EMA = 0.97
_WARM_FRAMES, _WARM_SHARE = 20, 4
"""Frames at the begin of a crop that are not learned from, a quarter at most: units settle there."""
_LOGISTIC_LR = 10
_DECAY = 0.05


def targets(labels: NDArray[np.uint8]) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns 0 or 1 and the weight of each output, float32 ``[B, T, 2]``.

    Unlabelled frames have no weight; in critical ones nothing is said of the second output.
    """
    y = np.stack([labels == SEEN_CRITICAL, labels == SEEN_INTERESTING], -1)
    known = labels != UNLABELLED
    weight = np.stack([known, 0.5 * (known & (labels != SEEN_CRITICAL))], -1).astype(np.float32)
    weight[:, : min(_WARM_FRAMES, labels.shape[1] // _WARM_SHARE)] = 0
    return torch.from_numpy(y.astype(np.float32)), torch.from_numpy(weight)


def positive_weight(examples: Sequence[LabelledExample]) -> torch.Tensor:
    """Returns what a positive frame counts, the root of negatives over positives, float32 ``[2]``."""
    found = []
    for label in (SEEN_CRITICAL, SEEN_INTERESTING):
        positive = sum(int((one.labels == label).sum()) for one in examples)
        rest = sum(one.labelled for one in examples) - positive
        found.append(math.sqrt(rest / positive) if positive else 1.0)
    return torch.tensor(found, dtype=torch.float32)


@dataclass
class _Trained:
    """Holds one net, its average over the last steps, its optimiser, and its best epoch."""

    net: torch.nn.Module
    lr: float
    best_auc: float = -math.inf
    best_epoch: int = 0

    def __post_init__(self) -> None:
        self.average = copy.deepcopy(self.net)
        self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        self.optimizer = torch.optim.AdamW(self.net.parameters(), lr=self.lr, weight_decay=_DECAY)

    def step(self, loss: torch.Tensor, share: float) -> None:
        """Makes one step against a loss; ``share`` of the training is done."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr * max(0.5 * (1 + math.cos(math.pi * share)), 0.01)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(new, 1 - _EMA)

    def tensors(self) -> dict[str, torch.Tensor]:
        """Returns all that a resume needs."""
        found = {f"net.{n}": t for n, t in self.net.state_dict().items()}
        found |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        return found | {f"best.{n}": t for n, t in self.best.items()} | optimizer_tensors(self.optimizer)

    def restore(self, tensors: dict[str, torch.Tensor]) -> None:
        """Goes on from what `tensors` returned."""

        self.net.load_state_dict(parts(tensors, "net."))
        self.average.load_state_dict(parts(tensors, "average."))
        self.best = parts(tensors, "best.")
        restore_optimizer(self.optimizer, parts(tensors, "adam."))


@dataclass
class ControllerTrainer:
    """Holds nets, optimisers and their state.

    Args:
        model: logistic, ssm or lif.
        frames: length of a crop.
        spike_price: what the rate of spikes counts in the loss of ``lif``.
        start: tensors of a trunk that was trained before, by the names of the net's; what is not in it
            begins at random.
        inputs: mean and gain of the inputs that this trunk is used to.
    """

    examples: list[LabelledExample]
    preset: ControllerPreset
    model: str
    frames: int
    seed: int
    spike_price: float = 0.0
    start: dict[str, torch.Tensor] = field(default_factory=dict)
    inputs: dict[str, NDArray[np.int32]] = field(default_factory=dict)
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.train = [one for one in self.examples if one.split == "train"]
        self.val = [one for one in self.examples if one.split == "val"]
        self.arrays = self.inputs or standardisation(self.train)
        self._drawer = Drawer(self.train, self.frames)
        self._weight = positive_weight(self.train)
        self._val_x = [standardised(self.arrays, pool(one.measured).features) for one in self.val]
        self.nets: dict[str, _Trained] = {}
        for kind in dict.fromkeys(("logistic", self.model)):
            torch.manual_seed(self.seed)
            net = net_of(kind, self.preset.width, self.preset.depth)
            if kind == self.model and self.start:
                net.load_state_dict(net.state_dict() | self.start)
            lr = self.preset.lr * (_LOGISTIC_LR if kind == "logistic" else 1)
            self.nets[kind] = _Trained(net, lr)

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, judge it, keep what is the best so far; its metrics.

        Raises:
            Diverged: a loss is NaN or infinite; nothing of that epoch is kept.
        """
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(key=[self.seed, self.epoch]))
        losses = {kind: 0.0 for kind in self.nets}
        spikes = 0.0
        for number in range(self.preset.steps):
            share = (self.epoch - 1 + number / self.preset.steps) / self.preset.epochs
            x, y = self._batch(rng)
            target, weight = targets(y)
            for kind, one in self.nets.items():
                scores, rate = one.net(x)
                each = functional.binary_cross_entropy_with_logits(
                    scores, target, weight=weight, pos_weight=self._weight, reduction="sum"
                )
                loss = each / weight.sum().clamp(min=1)
                losses[kind] += float(loss.detach()) / self.preset.steps
                one.step(loss + self.spike_price * rate, share)
                spikes += float(rate.detach()) / self.preset.steps
        metrics = {"loss": losses[self.model]}
        if not all(math.isfinite(loss) for loss in losses.values()):
            raise Diverged(f"epoch {self.epoch}: the loss is {losses}; lower lr={self.preset.lr:g}")
        for kind, one in self.nets.items():
            found = self._judge(kind, one.average)
            metrics["val_auc" if kind == self.model else f"val_auc_{kind}"] = found
            if found > one.best_auc:
                one.best_auc, one.best_epoch = found, self.epoch
                one.best = {name: t.clone() for name, t in one.average.state_dict().items()}
        if self.model == "lif":
            metrics["spike_rate"] = spikes
        self.history.append({"epoch": self.epoch} | metrics)
        return metrics

    def _batch(self, rng: np.random.Generator) -> tuple[torch.Tensor, NDArray[np.uint8]]:
        features, labels = self._drawer.draw(rng, self.preset.batch_size)
        flat = standardised(self.arrays, features.reshape(-1, features.shape[-1]))
        x = (flat.reshape(features.shape) / 256).astype(np.float32)
        shape = (len(x), 1, x.shape[2])
        x += self.preset.noise * rng.standard_normal(shape, np.float32)
        x *= rng.random(shape, np.float32) >= self.preset.drop
        return torch.from_numpy(x), labels

    def _judge(self, kind: str, net: Any) -> float:
        found = self.scores(kind, net.export())
        return auc([s[:, 0] for s in found], [one.labels for one in self.val])

    def scores(self, kind: str, arrays: Arrays) -> list[NDArray[np.int64]]:
        """Returns the scores ``[T, 2]`` of each validation recording, in integers."""
        decides = decider(kind, arrays)
        return [decides.run(x, decides.start()) for x in self._val_x]

    def best_arrays(self) -> dict[str, NDArray[Any]]:
        """Returns the integer arrays of all models at their best epochs, and of the inputs."""
        found = dict(self.arrays)
        for one in self.nets.values():
            net: Any = copy.deepcopy(one.average)
            net.load_state_dict(one.best)
            found |= net.export()
        return found

    def n_parameters(self) -> int:
        """Returns how many numbers of the model were trained."""
        return sum(p.numel() for p in self.nets[self.model].net.parameters())

    @property
    def steps(self) -> int:
        """Returns the optimiser steps of the finished epochs."""
        return self.epoch * self.preset.steps

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors = {f"{kind}.{n}": t for kind, one in self.nets.items() for n, t in one.tensors().items()}
        best = {kind: [one.best_auc, one.best_epoch] for kind, one in self.nets.items()}
        return tensors, {"epoch": self.epoch, "history": self.history, "best": best}

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Goes on from what `state` returned."""
        self.epoch, self.history = int(facts["epoch"]), list(facts["history"])
        for kind, one in self.nets.items():
            one.restore(parts(tensors, f"{kind}."))
            one.best_auc, one.best_epoch = facts["best"][kind]
