"""Defines the controllers as PyTorch modules, and how each becomes integers.

Inputs are standardised numbers ``[B, T, 27]``, outputs log odds ``[B, T, 2]``: critical and interesting.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cookbooks.lamquant.controller.deciders import N_OUT, named
from cookbooks.lamquant.controller.integer import quantised
from cookbooks.lamquant.controller.pooling import N_POOLED

SURROGATE = 10.0
"""Steepness of what stands in for a spike's derivative: 1 / (1 + 10 |u - 1|)**2 (Zenke and Ganguli 2018)."""


def _exported(name: str, one: nn.Linear, shift: torch.Tensor | None = None) -> dict[str, NDArray[Any]]:
    weight = one.weight.detach().cpu().double().numpy()
    bias = np.zeros(len(weight)) if one.bias is None else one.bias.detach().cpu().double().numpy()
    if shift is not None:
        bias = bias + shift.detach().cpu().double().numpy()
    return named(name, quantised(weight, bias))


def _pace(logit: torch.Tensor) -> NDArray[np.int32]:
    pace = torch.sigmoid(logit.detach().cpu().double()).numpy()
    return np.maximum(np.round(32768 * pace), 1).astype(np.int32)


def _leaky(z: torch.Tensor, pace: torch.Tensor) -> torch.Tensor:
    """Returns ``z`` ``[B, T, n]`` followed with a pace ``[n]``."""
    held, out = torch.zeros_like(z[:, 0]), []
    for t in range(z.shape[1]):
        held = held + pace * (z[:, t] - held)
        out.append(held)
    return torch.stack(out, 1)


class LogisticNet(nn.Module):
    """Sums the weighted numbers and follows the sum slowly: the least that a controller can be."""

    kind = "logistic"

    def __init__(self) -> None:
        super().__init__()
        self.out = nn.Linear(N_POOLED, N_OUT)
        self.pace = nn.Parameter(torch.full((N_OUT,), -2.0))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns log odds ``[B, T, 2]``, and 0."""
        return _leaky(self.out(x), torch.sigmoid(self.pace)), x.new_zeros(())

    def export(self) -> dict[str, NDArray[Any]]:
        """Returns the integer arrays."""
        return _exported("logistic.out", self.out) | {"logistic.pace": _pace(self.pace)}


class GatedBlock(nn.Module):
    """Holds ``width`` units that take in their input as fast as a gate says, and a layer over them."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.u, self.g, self.k = (nn.Linear(inputs, width) for _ in range(3))
        self.m = nn.Linear(2 * width, width)
        self.slowness = nn.Parameter(torch.linspace(-1, 4, width))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns the output ``[B, T, width]`` and the units ``[B, T, width]``."""
        u, gate = self.u(x), torch.sigmoid(self.g(x) - self.slowness)
        held, out = torch.zeros_like(u[:, 0]), []
        for t in range(u.shape[1]):
            held = held + gate[:, t] * (u[:, t] - held)
            out.append(held)
        units = torch.stack(out, 1)
        return torch.relu(self.m(torch.cat([units, torch.tanh(self.k(x))], -1))), units

    def export(self, name: str) -> dict[str, NDArray[Any]]:
        """Returns the integer arrays."""
        plain = {part: _exported(f"{name}.{part}", getattr(self, part)) for part in "ukm"}
        gate = _exported(f"{name}.g", self.g, -self.slowness)
        return plain["u"] | gate | plain["k"] | plain["m"]


class SsmNet(nn.Module):
    """Holds gated linear recurrences: a small selective state-space model."""

    kind = "ssm"

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(GatedBlock(N_POOLED if n == 0 else width, width) for n in range(depth))
        self.out = nn.Linear(width, N_OUT)

    def trunk(self, x: torch.Tensor) -> torch.Tensor:
        """Returns what the readout reads, ``[B, T, width]``."""
        for block in self.blocks:
            x = block(x)[0]
        return x

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns log odds ``[B, T, 2]``, and 0."""
        return self.out(self.trunk(x)), x.new_zeros(())

    def export(self) -> dict[str, NDArray[Any]]:
        """Returns the integer arrays."""
        made = _exported("ssm.out", self.out)
        for n, block in enumerate(self.blocks):
            assert isinstance(block, GatedBlock)
            made |= block.export(f"ssm.{n}")
        return made


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, u: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(u)
        return (u > 0).to(u.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
        (u,) = ctx.saved_tensors
        return grads[0] / (1 + SURROGATE * u.abs()) ** 2


class LifNet(nn.Module):
    """Holds two layers of leaky integrate-and-fire units below a readout that follows slowly.

    Units forget by ``2**-shift`` a frame, shifts from 1 to 5, so that a device needs no multiplication there.
    """

    kind = "lif"
    shift: torch.Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(N_POOLED, width), nn.Linear(width, width)
        self.recurrent = nn.Linear(width, width, bias=False)
        self.out = nn.Linear(width, N_OUT)
        self.pace = nn.Parameter(torch.full((N_OUT,), -2.0))
        self.register_buffer("shift", torch.arange(width) % 5 + 1)
        nn.init.normal_(self.recurrent.weight, 0, 0.1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Returns log odds ``[B, T, 2]``, and spikes a unit and frame."""
        keep, spike = 1 - 2.0**-self.shift, _Spike.apply
        a = self.first(x)
        u = v = z = torch.zeros_like(a[:, 0])
        out, rate = [], x.new_zeros(())
        for t in range(a.shape[1]):
            u = keep * u + a[:, t] + self.recurrent(z)
            z = spike(u - 1)
            u = u - z
            v = keep * v + self.second(z)
            w = spike(v - 1)
            v = v - w
            out.append(w)
            rate = rate + z.mean() + w.mean()
        scores = _leaky(self.out(torch.stack(out, 1)), torch.sigmoid(self.pace))
        return scores, rate / (2 * len(out))

    def export(self) -> dict[str, NDArray[Any]]:
        """Returns the integer arrays."""
        made = {"lif.shift": self.shift.cpu().numpy().astype(np.int32), "lif.pace": _pace(self.pace)}
        for part in ("first", "recurrent", "second", "out"):
            made |= _exported(f"lif.{part}", getattr(self, part))
        return made


def net_of(kind: str, width: int, depth: int) -> LogisticNet | SsmNet | LifNet:
    """Returns a new controller of a kind."""
    return {"logistic": LogisticNet, "ssm": lambda: SsmNet(width, depth), "lif": lambda: LifNet(width)}[
        kind
    ]()
