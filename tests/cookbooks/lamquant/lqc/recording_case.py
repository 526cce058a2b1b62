"""Recordings and a model to code them with, in a moment and without torch."""

from functools import cache

import numpy as np

from bench.lqc_files import made_net
from cookbooks.lamquant.lqc.entropy import calibrate
from cookbooks.lamquant.lqc.model import Model
from tests.cookbooks.lamquant.codec_support import eeg_like
from tests.cookbooks.lamquant.lqc.plane_case import planes_of


@cache
def small_model(seed: int = 0) -> Model:
    """A model whose tables were counted on noise of all strengths."""
    cases = [planes_of(2, 20, 32, seed=seed, size=size) for size in (0.3, 1.0, 3.0, 10.0)]
    return Model(bytes([seed]) * 8, calibrate(made_net(), cases, 0.13), 0.13, (8, 20), {})


def related(channels: int, seconds: float, rate_hz: float = 256.0, seed: int = 0) -> np.ndarray:
    """Channels int32 [C, T] that see the same two sources, each a little differently."""
    sources, own = eeg_like(2, seconds, rate_hz, seed), eeg_like(channels, seconds, rate_hz, seed + 1)
    rng = np.random.default_rng(seed)
    noise = 30 * rng.standard_normal(own.shape)
    return np.rint(rng.uniform(0.5, 1.5, (channels, 2)) @ sources + own / 4 + noise).astype(np.int32)
