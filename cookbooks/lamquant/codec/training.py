"""Trains the context network on the integers that the quantiser chooses, one resumable epoch at a time.

The transform is an exact MDCT and has no weights. An epoch draws new crops, quantises them with the integer
model that the epoch before ended with, and trains the float network on what results: the choices depend on
the model, so the two approach each other. Random numbers come from counters (seed, epoch), so an epoch is the
same whether or not the process was started anew before it. Each epoch is judged by coding the validation
streams with the integer model that would ship; the one with the least rate-distortion cost is kept.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from blut_resources.payload_kit.ranks import ALONE, Ranks
from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.codec.data import WindowCorpus
from cookbooks.lamquant.codec.examples import (
    Plane,
    Static,
    SymbolExamples,
    draw_plane,
    examples_of,
    join,
    rounded,
)
from cookbooks.lamquant.codec.losses import laplace_bits
from cookbooks.lamquant.codec.net import ScaleNet
from cookbooks.lamquant.codec.presets import CONTEXTS, Preset, Tier
from cookbooks.lamquant.codec.validation import validate
from cookbooks.lamquant.lqc.context import to_integer
from cookbooks.lamquant.lqc.entropy import EntropyModel, calibrate, count_static

LAMBDA = 0.13
"""Price of a bit in squared steps. A uniform quantiser at high rate has slope (ln 2) / 6 = 0.116; a little
more is best where most coefficients are zero."""
_EMA = 0.98
_CALIBRATION_SEED = 0x5CA1E
_ROUNDS, _MORE_CROPS = 2, 2


@dataclass
class Trainer:
    """Holds model, optimiser and their state.

    ``tiers`` are the operating points at which epochs are judged. ``best`` is the kept snapshot, ``history``
    one entry an epoch. ``source``, if given, yields an epoch's examples in place of crops of its own: what
    another, frozen codec makes of crops.

    Several ``ranks`` share the crops that are drawn and the rows of each batch; all have all examples, and
    what they learn from does not depend on how many they are.
    """

    corpus: WindowCorpus
    preset: Preset
    tiers: tuple[Tier, ...]
    seed: int
    device: torch.device
    epoch: int = 0
    best_cost: float = math.inf
    best_epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    source: Callable[[np.random.Generator], Iterator[SymbolExamples]] | None = None
    ranks: Ranks = ALONE
    _static: Static | None = None

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.net = ScaleNet(self.preset.hidden).to(self.device)
        self.average = ScaleNet(self.preset.hidden)
        self.average.load_state_dict(self.net.state_dict())
        self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.preset.lr, betas=(0.9, 0.98))
        self.steps = 0

    # --- one epoch ---------------------------------------------------------------------------------

    def run_epoch(self) -> dict[str, Any]:
        """Train one epoch, validate, keep it if it is the best so far; its metrics.

        Raises:
            Diverged: the loss is NaN or infinite; nothing of that epoch is kept.
        """
        self.epoch += 1
        rng = np.random.Generator(np.random.Philox(key=[self.seed, self.epoch]))
        bits, weight = 0.0, 0.0
        for number, examples in enumerate((self.source or self._shards)(rng)):
            done = (self.epoch - 1 + number / self.preset.shards) / self.preset.epochs
            self._set_lr(done)
            for batch, mass in self._batches(examples, rng):
                loss = self._step(batch, mass)
                bits, weight = bits + loss * mass, weight + mass
        self._static = self.static()
        metrics = validate(self._static, self.corpus, self.tiers, self.preset, LAMBDA)
        metrics = self.ranks.agreed(metrics | {"loss": bits / max(weight, 1)})
        if not all(math.isfinite(value) for value in metrics.values()):
            raise Diverged(
                f"epoch {self.epoch}: a metric is not finite: {metrics}; lower lr={self.preset.lr:g}"
            )
        if metrics["val_loss"] < self.best_cost:
            self.best_cost, self.best_epoch = metrics["val_loss"], self.epoch
            self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        self.history.append({"epoch": self.epoch} | metrics)
        return metrics

    def _shards(self, rng: np.random.Generator) -> Iterator[SymbolExamples]:
        """Yields the epoch's examples, as much at a time as memory should hold."""
        if self._static is None and self.epoch > 1:
            self._static = self.static()
        size = self.preset.crops_per_shard
        for first in range(0, self.preset.shards * size, size):
            crops = range(first, first + size)[self.ranks.mine]
            yield join(self.ranks.gathered([self._crop(number) for number in crops]))

    def _crop(self, number: int) -> SymbolExamples:
        """Returns the examples of one crop of the epoch; each has random numbers of its own."""
        rng = np.random.Generator(
            np.random.Philox(key=[self.seed, self.epoch], counter=[0, 0, 1 + number, 0])
        )
        plane = draw_plane(self.corpus, rng, self.preset.crop_s)
        q = self._static.quantise(plane, LAMBDA)[0] if self._static else rounded(plane)
        return examples_of(plane, q, rng)

    def _batches(
        self, examples: SymbolExamples, rng: np.random.Generator
    ) -> Iterator[tuple[SymbolExamples, float]]:
        """Yields this rank's share of each batch, and the weight of the whole of it."""
        size = CONTEXTS * self.preset.batch_size
        for _ in range(self.preset.passes):
            order = rng.permutation(len(examples))
            for start in range(0, max(len(order) - size // 2, min(1, len(order))), size):
                rows = order[start : start + size]
                mass = float(examples.weight[rows].sum(dtype=np.float64))
                yield examples.take(rows[self.ranks.mine]), mass

    def _set_lr(self, done: float) -> None:
        warm = min(1.0, 0.1 + 0.9 * done * max(self.preset.epochs, 10))
        cosine = 0.5 * (1 + math.cos(math.pi * done))
        for group in self.optimizer.param_groups:
            group["lr"] = self.preset.lr * warm * max(cosine, 0.02)

    def _step(self, batch: SymbolExamples, mass: float) -> float:
        """Returns the mean bits of a batch, after one step against them.

        Args:
            batch: this rank's share of it.
            mass: the weight of the whole batch.
        """
        x = torch.from_numpy(batch.features).to(self.device).float() / 16
        rows = (batch.position, batch.level, batch.duration)
        position, level, duration = (torch.from_numpy(a).to(self.device).long() for a in rows)
        magnitude = torch.from_numpy(batch.magnitude).to(self.device).float()
        weight = torch.from_numpy(batch.weight).to(self.device)
        bits = laplace_bits(magnitude, self.net(x, position, level, duration))
        loss = (bits * weight).sum() / mass
        (value,) = self.ranks.total(float(loss.detach()))
        if not math.isfinite(value):
            raise Diverged(f"epoch {self.epoch}: the loss is {value}; lower lr={self.preset.lr:g}")
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self.ranks.sum_gradients(self.net)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(new.to(mean.device), 1 - _EMA)
        return value

    # --- integers ----------------------------------------------------------------------------------

    def planes(self, crops: int) -> list[Plane]:
        """Returns the planes of training crops that probabilities are counted on; always the same."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, _CALIBRATION_SEED]))
        return [draw_plane(self.corpus, rng, self.preset.crop_s) for _ in range(crops)]

    def static(self) -> Static:
        """Returns the averaged network in integers, its tables counted on training crops."""
        net, planes = to_integer(self.average.weights()), self.planes(self.preset.calibration_crops)
        return Static(net, count_static(net, [(p.y, p.spec) for p in planes], LAMBDA, _ROUNDS))

    def best_model(self) -> EntropyModel:
        """Returns the whole probability model of the best epoch's network, counted on more training crops."""
        net = ScaleNet(self.preset.hidden)
        net.load_state_dict(self.best)
        planes = self.planes(_MORE_CROPS * self.preset.calibration_crops)
        return calibrate(to_integer(net.weights()), [(p.y, p.spec) for p in planes], LAMBDA)

    # --- resume ------------------------------------------------------------------------------------

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors = {f"net.{n}": t for n, t in self.net.state_dict().items()}
        tensors |= {f"average.{n}": t for n, t in self.average.state_dict().items()}
        tensors |= {f"best.{n}": t for n, t in self.best.items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": t for name, t in slots.items()}
        facts = {"epoch": self.epoch, "best_epoch": self.best_epoch, "history": self.history}
        return tensors, facts | {"best_cost": self.best_cost, "steps": self.steps}

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Continue from what ``state`` gave."""

        def under(prefix: str) -> dict[str, torch.Tensor]:
            return {n[len(prefix) :]: t for n, t in tensors.items() if n.startswith(prefix)}

        self.net.load_state_dict(under("net."))
        self.average.load_state_dict(under("average."))
        self.best = under("best.")
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in under("adam.").items():
            index, slot = name.split(".")
            slots.setdefault(int(index), {})[slot] = tensor
        layout = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": slots, "param_groups": layout["param_groups"]})
        self.epoch, self.best_epoch = facts["epoch"], facts["best_epoch"]
        self.best_cost, self.history, self.steps = facts["best_cost"], facts["history"], facts["steps"]
        self._static = None
