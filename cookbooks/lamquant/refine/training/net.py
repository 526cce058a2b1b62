"""Defines the refining network as it is trained; ``refine.network`` evaluates it."""

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from cookbooks.lamquant.refine.features import N_ABOUT, N_LOCAL, N_ODD, N_SPREAD
from cookbooks.lamquant.refine.network import FIRST, LATER


class TrainedNet(nn.Module):
    """Maps even features of planes to the weights of odd ones; it answers nothing but zeros at first."""

    def __init__(self, width: int, depth: int) -> None:
        super().__init__()
        self.spread = nn.Conv2d(N_SPREAD, width, FIRST, padding=(FIRST[0] // 2, FIRST[1] // 2), bias=False)
        self.local = nn.Linear(N_LOCAL, width, bias=False)
        self.about = nn.Linear(N_ABOUT, width, bias=False)
        self.later = nn.ModuleList(nn.Conv2d(width, width, LATER, padding="same") for _ in range(depth))
        self.out = nn.Linear(width, N_ODD)
        # what no crop of the training had must not matter
        nn.init.zeros_(self.local.weight)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, spread: torch.Tensor, local: torch.Tensor, about: torch.Tensor) -> torch.Tensor:
        """Map spread and local [P, F, K, n] and about [P, K, n] -> weights [P, F, K, N_ODD]."""
        h = self.spread(spread.permute(0, 3, 1, 2))
        h = h + (self.local(local) + self.about(about)[:, None]).permute(0, 3, 1, 2)
        for layer in self.later:
            h = h + layer(functional.relu(h))
        return self.out(functional.relu(h).permute(0, 2, 3, 1))

    def n_parameters(self) -> int:
        """Returns the number of trained scalars."""
        return sum(p.numel() for p in self.parameters())

    @torch.no_grad()
    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Returns the arrays of ``refine.network.RefineNet``."""
        layers = [cast(nn.Conv2d, layer) for layer in self.later]
        found = {
            "spread": self.spread.weight.permute(2, 3, 1, 0),
            "local": self.local.weight.T,
            "about": self.about.weight.T,
            "kernels": torch.stack([layer.weight.permute(2, 3, 1, 0) for layer in layers]),
            "biases": torch.stack([cast(torch.Tensor, layer.bias) for layer in layers]),
            "out": self.out.weight.T,
            "out_bias": self.out.bias,
        }
        return {name: np.ascontiguousarray(t.detach().cpu().numpy()) for name, t in found.items()}
