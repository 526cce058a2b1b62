"""Makes planes and probability models to code them with, without any training."""

import numpy as np

from bench.lqc_files import made_net
from cookbooks.lamquant.lqc.entropy import EntropyModel, PlaneSpec, calibrate


def planes_of(
    planes: int, frames: int, hop: int, seed: int = 0, size: float = 3.0
) -> tuple[np.ndarray, PlaneSpec]:
    """Noise that gets weaker with frequency, louder and softer with time."""
    rng = np.random.default_rng(seed)
    slope = size * np.exp(-np.arange(hop) / (hop / 6))
    loud = np.exp(rng.standard_normal((planes, frames, 1)) / 2)
    y = (rng.laplace(size=(planes, frames, hop)) * slope * loud).astype(np.float32)
    return y, spec_of(planes, frames, hop)


def spec_of(planes: int, frames: int, hop: int) -> PlaneSpec:
    return PlaneSpec(np.full(planes, 16, np.uint8), hop, 256.0, np.zeros(frames, np.int8))


def model_of(seed: int = 0) -> EntropyModel:
    return calibrate(made_net(), [planes_of(2, 20, 32, seed=9)], 0.13)
