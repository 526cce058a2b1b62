"""Makes planes and probability models to code them with, without any training."""

import numpy as np

from cookbooks.lamquant.lqc.context import N_FEATURES, IntegerNet
from cookbooks.lamquant.lqc.entropy import EntropyModel, PlaneSpec, calibrate
from cookbooks.lamquant.lqc.levels import N_DURATIONS, N_LEVELS, N_POSITIONS


def net_of(hidden: int = 8, seed: int = 0) -> IntegerNet:
    """A network that knows something: its first unit is the mean of the neighbours' logarithms."""
    rng = np.random.default_rng(seed)

    def some(*shape: int) -> np.ndarray:
        return rng.integers(-60, 60, shape).astype(np.int32)

    net = IntegerNet(
        w1=some(N_FEATURES, hidden),
        position=some(N_POSITIONS, hidden),
        level=some(N_LEVELS, hidden),
        duration=some(N_DURATIONS, hidden),
        w2=some(hidden, hidden),
        b2=some(hidden),
        w3=some(hidden),
        b3=np.array([-64 << 10], np.int32),
    )
    net.w1[[0, 4, 5, 10], 0] = 256
    net.w2[0, 0] = net.w3[0] = 1024
    return net


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
    return calibrate(net_of(), [planes_of(2, 20, 32, seed=9)], 0.13)
