"""Fits a trained network to weights of fewer bits, by training it on as if it had them already.

The weights that a device multiplies by become whole multiples of a power of two, one for each layer; what is
only added keeps its bits. So a hardened network is an ordinary one, which any decoder evaluates as it is.
"""

from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn.utils import parametrize

from cookbooks.lamquant.codec.net import Curve, ScaleNet
from cookbooks.lamquant.codec.training import LAMBDA, Trainer
from cookbooks.lamquant.codec.validation import validate
from cookbooks.lamquant.lqc.context import IntegerNet, to_integer
from cookbooks.lamquant.lqc.entropy import EntropyModel, calibrate

SHARE_OF_LR = 0.25
"""Of the preset's learning rate: the network is trained already."""
WEIGHT_ONE, BIAS_ONE, MOST = 1 << 10, 1 << 14, 8191
"""What 1 is in integer weights and in biases, and the largest integer weight."""
MULTIPLIED = ("w1", "w2", "w3")
_SHIFTS, _MORE_CROPS = 14, 2


def on_grid(weights: NDArray[Any], bits: int) -> NDArray[np.int64]:
    """Returns the integer weights that lie nearest, in the sum of squares, among those of so many bits.

    They are multiples of a power of two by whole numbers of ``bits`` bits, sign included; what is beyond the
    largest is cut off.
    """
    whole = weights.astype(np.float64)
    found = (_rounded(whole, shift, bits) for shift in range(_SHIFTS))
    best = min(found, key=lambda one: float(np.square(one - whole).sum()))
    return best.astype(np.int64)


def _rounded(weights: NDArray[np.float64], shift: int, bits: int) -> NDArray[np.float64]:
    most = min((1 << (bits - 1)) - 1, MOST >> shift)
    return np.clip(np.round(weights / (1 << shift)), -most, most) * (1 << shift)


def restrict(net: IntegerNet, bits: int) -> IntegerNet:
    """Returns the network with weights of so many bits, sign included, each layer on its own grid."""
    fitted = {name: on_grid(getattr(net, name), bits).astype(np.int32) for name in MULTIPLIED}
    return net._replace(**fitted)


class FewBits(nn.Module):
    """Rounds weights to so many bits; gradients pass as if it did not.

    The straight-through estimator is that of Bengio et al. 2013 (arXiv:1308.3432).
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits = bits

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        """Returns the rounded weights."""
        fine = weight.detach().cpu().double().numpy() * WEIGHT_ONE
        fitted = torch.from_numpy(on_grid(fine, self.bits) / WEIGHT_ONE).to(weight)
        return weight + (fitted - weight).detach()


def few_bit_net(hidden: int, bits: int) -> ScaleNet:
    """Returns a network whose weights have so many bits whenever it is evaluated."""
    net = ScaleNet(hidden)
    for layer in (net.features, net.middle, net.out):
        parametrize.register_parametrization(layer, "weight", FewBits(bits))
    return net


def load_integers(net: ScaleNet, trained: IntegerNet) -> None:
    """Let a network in floats begin as a trained one in integers."""
    with torch.no_grad():
        for layer, weight in (
            (net.features, trained.w1.T),
            (net.middle, trained.w2.T),
            (net.out, trained.w3[None]),
        ):
            original = layer.get_parameter("parametrizations.weight.original")
            original.copy_(torch.from_numpy(weight / WEIGHT_ONE))
        net.middle.bias.copy_(torch.from_numpy(trained.b2 / BIAS_ONE))
        net.out.bias.copy_(torch.from_numpy(trained.b3 / BIAS_ONE))
        _fit(net.position, trained.position)
        _fit(net.level, trained.level)
        _fit(net.duration, trained.duration)


def _fit(curve: Curve, table: NDArray[np.int32]) -> None:
    """Let a curve go through a table that a curve of the same knots was rounded to."""
    hats = cast(torch.Tensor, curve.hats).double().numpy()
    knots, *_ = np.linalg.lstsq(hats, table / BIAS_ONE, rcond=None)
    curve.values.copy_(torch.from_numpy(knots))


@dataclass
class HardenTrainer(Trainer):
    """Trains a network on with few bits, from the integers of a checkpoint; kept is the best of all epochs.

    Attributes:
        begin: the network that it begins as, which counts as epoch 0.
        bits: of each weight.
    """

    begin: IntegerNet | None = None
    bits: int = 8

    def __post_init__(self) -> None:
        assert self.begin is not None
        self.preset = replace(self.preset, hidden=len(self.begin.b2), lr=self.preset.lr * SHARE_OF_LR)
        super().__post_init__()
        self.net = few_bit_net(self.preset.hidden, self.bits)
        load_integers(self.net, self.begin)
        self.average = few_bit_net(self.preset.hidden, self.bits)
        self.average.load_state_dict(self.net.state_dict())
        self.net.to(self.device)
        self.best = {name: t.clone() for name, t in self.average.state_dict().items()}
        self.optimizer = torch.optim.Adam(self.net.parameters(), lr=self.preset.lr, betas=(0.9, 0.98))

    def judge_start(self) -> None:
        """Judge the network that it begins as: an epoch is kept only if it is better."""
        static = self.static()
        self.best_cost = validate(static, self.corpus, self.tiers, self.preset, LAMBDA)["val_loss"]

    def best_model(self) -> EntropyModel:
        """Returns the whole probability model of the best epoch's network, counted on more training crops."""
        net = few_bit_net(self.preset.hidden, self.bits)
        net.load_state_dict(self.best)
        planes = self.planes(_MORE_CROPS * self.preset.calibration_crops)
        return calibrate(to_integer(net.weights()), [(p.y, p.spec) for p in planes], LAMBDA)
