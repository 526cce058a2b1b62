"""Defines the trained network: learned analysis and synthesis filters, sign-equivariant refinement.

Everything works on coefficients in units of the quantiser step, so that one set of weights serves every
amplitude, unit and channel. The filters start as an MDCT and the refinements as the identity: training
starts from the classical codec and can only be accepted where it helps (see ``training``).
"""

from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from torch import nn

from cookbooks.lamquant.codec.presets import LEVEL_ZERO, LEVELS_PER_OCTAVE, N_LEVELS
from cookbooks.lamquant.codec.v1.entropy import LOG_FLOOR, N_FEATURES, N_SCALES, SCALES_PER_OCTAVE
from cookbooks.lamquant.codec.v1.transform import bin_frequency, mdct_basis, overlap_add, split_frames

POSITION_HZ = 0.5
N_POSITIONS = 257


@dataclass(frozen=True)
class Architecture:
    """Describes the network's shape: frame advance in samples, refinement channels, context-model width."""

    hop: int
    width: int
    hidden: int


def positions(hop: int, rate_hz: float) -> np.ndarray:
    """Returns the index of each coefficient in the 0.5 Hz frequency table, int64 [hop]."""
    steps = np.round(bin_frequency(hop, rate_hz) / POSITION_HZ)
    return np.minimum(steps, N_POSITIONS - 1).astype(np.int64)


class GatedRefine(nn.Module):
    """Maps residuals on the time-frequency plane with f(-y) = -f(y); the identity at initialisation.

    An odd branch (linear convolutions of y) is multiplied by gates computed from magnitudes, frequency
    and step level, so the map can shrink, sharpen or predict a coefficient from its neighbours.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.odd = nn.Conv2d(1, width, (3, 5), padding=(1, 2), bias=False)
        self.even = nn.Conv2d(4, width, (3, 5), padding=(1, 2))
        self.gate = nn.Conv2d(width, width + 1, 3, padding=1)
        self.mix = nn.Conv2d(width, 1, (1, 3), padding=(0, 1), bias=False)
        nn.init.zeros_(cast(torch.Tensor, self.gate.bias))
        self.reset()

    @torch.no_grad()
    def reset(self) -> None:
        """Become the identity."""
        for weight in (self.mix.weight, self.gate.weight[-1:], cast(torch.Tensor, self.gate.bias)[-1:]):
            weight.zero_()

    def forward(self, y: torch.Tensor, position: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Map y [B, F, K] in steps, position int64 [K] and level [B] (index) -> refined y [B, F, K]."""
        plane = y.unsqueeze(1)
        magnitude = plane.abs()
        frequency = (position / 64.0).expand_as(plane)
        octave = ((level - LEVEL_ZERO) / LEVELS_PER_OCTAVE).view(-1, 1, 1, 1).expand_as(plane)
        small = torch.exp(-magnitude)
        even = torch.cat([torch.log2(1 + magnitude), small, frequency, octave], 1)
        gates = self.gate(torch.relu(self.even(even)))
        odd = self.odd(plane / (1 + magnitude / 8))
        shrink = gates[:, -1:] * plane / (1 + magnitude)
        return (plane + shrink + self.mix(odd * gates[:, :-1])).squeeze(1)


class FirstScaleNet(nn.Module):
    """Maps context features to the log2 scale of the next coefficient (float form; see ``entropy``)."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.features = nn.Linear(N_FEATURES, hidden, bias=False)
        self.position = nn.Parameter(torch.randn(N_POSITIONS, hidden) * 0.1)
        self.level = nn.Parameter(torch.randn(N_LEVELS, hidden) * 0.1)
        self.middle = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(self, x: torch.Tensor, position: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        """Map x [B, F, K, features] (log2 units), position [K], level [B] -> log2 scale [B, F, K]."""
        bias = self.position[position][None, None] + self.level[level][:, None, None]
        h = torch.relu(self.features(x) + bias)
        h = torch.relu(self.middle(h))
        log_scale = self.out(h).squeeze(-1)
        return log_scale.clamp(-LOG_FLOOR, N_SCALES / SCALES_PER_OCTAVE - LOG_FLOOR - 1)


class JointCodec(nn.Module):
    """Holds encoder, decoder and probability model, trained together."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        self.architecture = architecture
        basis = torch.from_numpy(mdct_basis(architecture.hop)).float()
        self.analysis = nn.Parameter(basis.clone())
        self.synthesis = nn.Parameter(basis.clone())
        self.encoder = GatedRefine(architecture.width)
        self.decoder = GatedRefine(architecture.width)
        self.scale = FirstScaleNet(architecture.hidden)

    def analyse(self, padded: torch.Tensor) -> torch.Tensor:
        """Turn samples [B, (F + 1) * hop] into coefficients [B, F, hop], same unit."""
        return split_frames(padded, self.architecture.hop) @ self.analysis.T

    def synthesise(self, coefficients: torch.Tensor) -> torch.Tensor:
        """Turn coefficients [B, F, hop] into samples [B, (F - 1) * hop]."""
        return overlap_add(coefficients @ self.synthesis)
