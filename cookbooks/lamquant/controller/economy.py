"""Estimates what states are worth in bytes before anything is coded, so that thresholds can be chosen.

The estimate is coarse: bits and error of a frame depend on its step relative to its own power alone, by one
curve that was measured once. What the states are worth in truth, the gate measures in bytes.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.labels.frames import SEEN_CRITICAL

CURVE_LEVELS = np.array([4.0, 8, 10, 12, 14, 16, 18, 19, 20, 24, 28])
"""Steps in quarter octaves: 16 is as large as the signal's RMS, larger numbers are smaller steps."""
CURVE_BITS = np.log2([0.12, 0.26, 0.35, 0.44, 0.56, 0.75, 1.19, 1.45, 1.70, 2.70, 3.70])
CURVE_ERROR = np.log2([0.60, 0.415, 0.345, 0.295, 0.25, 0.20, 0.15, 0.128, 0.109, 0.055, 0.0277])
"""log2 of bits a sample and of relative RMS error at each of them (synthetic EEG, context coder)."""


def spent(levels: NDArray[np.float64], power: NDArray[np.float64]) -> tuple[NDArray, NDArray]:
    """Returns bits a sample and squared error of frames.

    Args:
        levels: of each frame.
        power: of each frame, relative to the recording's.
    """
    at = levels + 2 * np.log2(np.maximum(power, 2.0**-20))
    bits, error = np.interp(at, CURVE_LEVELS, CURVE_BITS), np.interp(at, CURVE_LEVELS, CURVE_ERROR)
    return 2.0**bits, power * 4.0**error


def relative_power(loud: NDArray[np.integer]) -> NDArray[np.float64]:
    """Returns the power of each frame over the recording's mean, from log2 in 1/256."""
    power = 2.0 ** (np.asarray(loud, float) / 256 - np.max(loud, initial=0) / 256)
    return power / max(float(power.mean()), 1e-30)


def rate_advantage(
    states: Sequence[NDArray[np.uint8]],
    labels: Sequence[NDArray[np.uint8]],
    powers: Sequence[NDArray[np.float64]],
    levels: Sequence[int],
) -> float:
    """Returns the bits of the constant level with equal error in critical frames, over those of the states.

    NaN without critical frames.
    """
    critical = np.concatenate(labels) == SEEN_CRITICAL
    if not critical.any():
        return float("nan")
    power = np.concatenate(powers)
    bits, error = spent(np.asarray(levels, float)[np.concatenate(states)], power)
    return constant_bits(power, critical, float(error[critical].sum())) / float(bits.sum())


def constant_bits(power: NDArray[np.float64], critical: NDArray[np.bool_], wanted: float) -> float:
    """Returns the bits of the coarsest constant level that errs no more than wanted in critical frames.

    Args:
        power: of each frame, relative to its recording's [T].
        critical: which of them are [T].
        wanted: sum of the error over critical frames.
    """
    low, high = CURVE_LEVELS[0], CURVE_LEVELS[-1]
    for _ in range(30):
        middle = (low + high) / 2
        if spent(np.full(len(power), middle), power)[1][critical].sum() > wanted:
            low = middle
        else:
            high = middle
    return float(spent(np.full(len(power), high), power)[0].sum())
