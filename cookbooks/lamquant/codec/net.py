"""Defines the context network in floats, as it is trained; ``lqc.context`` evaluates it in integers."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from cookbooks.lamquant.lqc.context import FINE_PER_OCTAVE, LOG_FLOOR, N_FEATURES, N_FINE
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS, POSITION_HZ

_FREQUENCIES_HZ = (0.0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 50, 65, 80, 100, 128)
_LEVELS_APART, _DURATIONS_APART = 4, 2


class Curve(nn.Module):
    """Holds a table of ``hidden`` columns that is straight between its ``knots``.

    Rare rows learn from their neighbours, and a peak of one training recording finds no row of its own.
    """

    def __init__(self, rows: int, knots: NDArray[np.float64], hidden: int) -> None:
        super().__init__()
        self.values = nn.Parameter(torch.randn(len(knots), hidden) * 0.1)
        hats = [np.interp(np.arange(rows), knots, row) for row in np.eye(len(knots))]
        self.register_buffer("hats", torch.from_numpy(np.stack(hats, 1)).float(), persistent=False)

    def forward(self) -> torch.Tensor:
        """Returns the table [rows, hidden]."""
        return cast(torch.Tensor, self.hats) @ self.values


class ScaleNet(nn.Module):
    """Maps context features to the log2 of the Laplace scale, in steps, of the next coefficient."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.features = nn.Linear(N_FEATURES, hidden, bias=False)
        self.position = Curve(N_POSITIONS, np.array(_FREQUENCIES_HZ) / POSITION_HZ, hidden)
        self.level = Curve(N_LEVELS, np.arange(0.0, N_LEVELS + 3, _LEVELS_APART), hidden)
        self.duration = Curve(N_DURATIONS, np.arange(0.0, N_DURATIONS + 1, _DURATIONS_APART), hidden)
        self.middle = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 1)

    def forward(
        self, x: torch.Tensor, position: torch.Tensor, level: torch.Tensor, duration: torch.Tensor
    ) -> torch.Tensor:
        """Map x [N, features] (log2 units) and table indices [N] -> log2 scale [N]."""
        bias = self.position()[position] + self.level()[level] + self.duration()[duration]
        h = torch.relu(self.features(x) + bias)
        h = torch.relu(self.middle(h))
        least, most = -LOG_FLOOR, (N_FINE - 1) / FINE_PER_OCTAVE - LOG_FLOOR
        return self.out(h).squeeze(-1).clamp(least, most)

    def n_parameters(self) -> int:
        """Returns the number of trained scalars."""
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Returns the arrays that ``lqc.context.to_integer`` rounds."""
        found = {
            "features.weight": self.features.weight,
            "position": self.position(),
            "level": self.level(),
            "duration": self.duration(),
            "middle.weight": self.middle.weight,
            "middle.bias": self.middle.bias,
            "out.weight": self.out.weight,
            "out.bias": self.out.bias,
        }
        return {name: tensor.detach().cpu().numpy() for name, tensor in found.items()}
