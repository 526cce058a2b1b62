"""A decoder of made-up weights, and one that was trained for a moment."""

from pathlib import Path

import numpy as np
import torch

from cookbooks.lamquant.codec.checkpoint import save_checkpoint
from cookbooks.lamquant.refine.network import RefineNet
from cookbooks.lamquant.refine.refiner import LoadedRefiner
from cookbooks.lamquant.refine.training.net import TrainedNet
from cookbooks.lamquant.refine.training.save import save_refiner
from tests.cookbooks.lamquant.lqc.plane_case import model_of


def net_of(seed: int = 0, width: int = 8, depth: int = 2, size: float = 0.2) -> TrainedNet:
    """A network whose every weight says something."""
    net, generator = TrainedNet(width, depth), torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in net.parameters():
            weight.copy_(size * torch.randn(weight.shape, generator=generator))
    return net


def arrays_of(net: TrainedNet, strength: tuple[float, float] = (1, 1)) -> dict[str, np.ndarray]:
    """What is kept of a network."""
    return net.arrays() | {"strength": np.array(strength, np.float32)}


def refiner_of(digest: bytes, seed: int = 0, size: float = 0.2) -> LoadedRefiner:
    """A decoder that changes what it is given, for the files of one model."""
    return LoadedRefiner(digest, RefineNet.from_arrays(arrays_of(net_of(seed, size=size))))


def write_checkpoint(directory: Path) -> Path:
    """A codec's checkpoint that codes, if not well."""
    directory.mkdir(parents=True)
    facts = {"tier": "all", "noise_ratio": 0.17}
    save_checkpoint(directory, model_of(), 0.13, (8, 20), facts)
    return directory


def write_decoder(directory: Path, encoder: str, size: float = 0.2) -> Path:
    """A decoder of made-up weights for the weights with this SHA-256."""
    save_refiner(directory, arrays_of(net_of(size=size)), encoder, {})
    return directory
