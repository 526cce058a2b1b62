"""Fits a refining decoder to coded groups, step by step."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from blut_resources.payload_kit.session import Diverged
from cookbooks.lamquant.refine.features import about, local, odd, spread
from cookbooks.lamquant.refine.guess import guess_planes
from cookbooks.lamquant.refine.training.groups import CodedCrop
from cookbooks.lamquant.refine.training.net import TrainedNet

_EMA = 0.98
_LEAST_ERROR = 1e-3
"""Squared steps: planes whose error is smaller count as if they had this."""
_CUT_FRAMES, _CUT_PLANES = 64, 4
"""What of a group one step sees."""


@dataclass(frozen=True)
class _Part:
    """Holds what one step learns from, tensors: even features, odd ones [P, F, K, n], target [P, F, K]."""

    spread: torch.Tensor
    local: torch.Tensor
    about: torch.Tensor
    odd: torch.Tensor
    missing: torch.Tensor


def parts_of(group: CodedCrop, rng: np.random.Generator) -> Iterator[_Part]:
    """Yields a group in pieces of a few planes and frames, in a random order; each value once."""
    guess = guess_planes(group.decoded, group.spec.hop, group.spec.rate_hz)
    planes, frames, _ = group.y.shape
    used = np.abs(group.decoded).max((0, 1)) > 0
    width = min(len(used), int(np.flatnonzero(used).max(initial=0)) + 4)
    cuts = [
        (p, f)
        for p in range(0, planes, _CUT_PLANES)
        for f in range(0, max(1, frames - _CUT_FRAMES // 2), _CUT_FRAMES)
    ]
    order = rng.permutation(planes)
    for index in rng.permutation(len(cuts)).tolist():
        p, f = cuts[index]
        rows, here = order[p : p + _CUT_PLANES], slice(f, f + _CUT_FRAMES)
        y = group.decoded[rows, here, :width]
        guessed, rest = guess.value[rows, here, :width], guess.rest[rows, :width]
        told = [about(group.spec, float(level), group.profile)[:width] for level in group.spec.levels[rows]]
        yield _Part(
            torch.from_numpy(np.stack([spread(one) for one in y])),
            torch.from_numpy(np.stack([local(*one) for one in zip(y, guessed, rest, strict=True)])),
            torch.from_numpy(np.stack(told)),
            torch.from_numpy(np.stack([odd(*one) for one in zip(y, guessed, rest, strict=True)])),
            torch.from_numpy(group.y[rows, here, :width] - y),
        )


class RefineLearner:
    """Holds a refining network, its running mean, and its optimiser."""

    def __init__(self, width: int, depth: int, lr: float, seed: int, device: torch.device) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.net = TrainedNet(width, depth).to(device)
            self.average = TrainedNet(width, depth)
        self.average.load_state_dict(self.net.state_dict())
        self.lr, self.device, self.steps = lr, device, 0
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=lr, betas=(0.9, 0.98))

    def set_lr(self, done: float) -> None:
        """Update the learning rate for the share of the training that is done: a rise, then a cosine."""
        factor = min(1.0, 0.1 + 20 * done) * (0.5 * (1 + math.cos(math.pi * done)) + 0.01)
        for slot in self.optimizer.param_groups:
            slot["lr"] = self.lr * factor

    def learn(self, groups: Sequence[CodedCrop], rng: np.random.Generator) -> float:
        """Returns the mean loss of the groups' parts, after one step against each.

        The loss is the squared error of a plane, over that of the codec's own decoder: below 1 it gains.

        Raises:
            Diverged: it is NaN or infinite.
        """
        losses = []
        for group in groups:
            for part in parts_of(group, rng):
                losses.append(self._step(part))
        return float(np.mean(losses)) if losses else 1.0

    def _step(self, part: _Part) -> float:
        spread, local, about, odd, missing = (one.to(self.device) for one in vars(part).values())
        error = (self.net(spread, local, about) * odd).sum(-1) - missing
        shipped = missing.square().mean((1, 2)).clamp_min(_LEAST_ERROR)
        loss = (error.square().mean((1, 2)) / shipped).mean()
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(
                f"step {self.steps}: the decoder's loss is {value}; lower the learning rate, {self.lr:g}"
            )
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimizer.step()
        self.steps += 1
        with torch.no_grad():
            for mean, new in zip(self.average.parameters(), self.net.parameters(), strict=True):
                mean.lerp_(new.to(mean.device), 1 - _EMA)
        return value

    def state(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        """Returns the tensors and facts that ``restore`` needs."""
        tensors = {f"net.{name}": t for name, t in self.net.state_dict().items()}
        tensors |= {f"average.{name}": t for name, t in self.average.state_dict().items()}
        for index, slots in self.optimizer.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{name}": t for name, t in slots.items()}
        return tensors, {"steps": self.steps}

    def restore(self, tensors: dict[str, torch.Tensor], facts: dict[str, Any]) -> None:
        """Continue from what ``state`` gave."""
        nets: dict[str, dict[str, torch.Tensor]] = {"net": {}, "average": {}}
        slots: dict[int, dict[str, torch.Tensor]] = {}
        for name, tensor in tensors.items():
            kind, _, rest = name.partition(".")
            if kind == "adam":
                index, slot = rest.split(".")
                slots.setdefault(int(index), {})[slot] = tensor
            else:
                nets[kind][rest] = tensor
        self.net.load_state_dict(nets["net"])
        self.average.load_state_dict(nets["average"])
        layout = self.optimizer.state_dict()
        self.optimizer.load_state_dict({"state": slots, "param_groups": layout["param_groups"]})
        self.steps = facts["steps"]
