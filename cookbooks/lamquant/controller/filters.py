"""Makes the filters of the features: second-order Butterworth sections in integers.

Formulae: R. Bristow-Johnson, Audio EQ Cookbook, with Q = 1/sqrt(2). Coefficients are in 1/2**24.
"""

import math

import numpy as np
from numpy.typing import NDArray

COEFFICIENT_BITS = 24
DECIMATED_HZ = 200.0
"""Rates from twice this on are summed in groups of samples, so that work does not grow with the rate."""
RHYTHM_HZ = 32.0
"""About the rate at which the slow wave's likeness to its own past is measured."""
_HIGHEST = 0.45
"""Of the rate: no corner is above it."""


def decimation(rate_hz: float) -> int:
    """Returns how many samples are summed to one."""
    return max(1, int(rate_hz / DECIMATED_HZ))


def rhythm_step(rate_hz: float) -> int:
    """Returns how many sums lie between two samples of the slow wave."""
    return max(1, round(rate_hz / decimation(rate_hz) / RHYTHM_HZ))


def _section(kind: str, corner_hz: float, rate_hz: float) -> list[int]:
    """Returns b0 b1 b2 a1 a2 of one section."""
    w = 2 * math.pi * min(corner_hz, _HIGHEST * rate_hz) / rate_hz
    c, alpha = math.cos(w), math.sin(w) / math.sqrt(2)
    edge, middle = ((1 - c) / 2, 1 - c) if kind == "low" else ((1 + c) / 2, -(1 + c))
    values = (edge, middle, edge, -2 * c, 1 - alpha)
    return [round(v / (1 + alpha) * (1 << COEFFICIENT_BITS)) for v in values]


def sections(rate_hz: float) -> NDArray[np.int64]:
    """Returns the coefficients ``[12, 5]`` (b0 b1 b2 a1 a2) for a recording of ``rate_hz``."""
    rate = rate_hz / decimation(rate_hz)
    plan = [("high", 1.0), ("low", 4.0)]
    for low, high in ((4.0, 8.0), (8.0, 13.0), (13.0, 30.0), (30.0, 60.0)):
        plan += [("high", low), ("low", high)]
    plan += [("low", 7.0), ("low", 7.0)]
    return np.array([_section(kind, corner, rate) for kind, corner in plan], np.int64)
