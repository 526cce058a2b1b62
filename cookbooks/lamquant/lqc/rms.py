"""Measures how strong a channel is without its drift."""

import numpy as np
from numpy.typing import NDArray


def fast_rms(signal: NDArray[np.float64], rate_hz: float) -> float:
    """Returns the RMS of ``signal`` [T] about the straight line through each second, so without drift.

    If that is 0 (a ramp), the standard deviation of all of it.
    """
    block = min(len(signal), max(4, round(rate_hz)))
    whole = signal[: len(signal) // block * block].reshape(-1, block)
    time = np.linspace(-1, 1, block)
    slope = (whole @ time) / max(float(time @ time), 1e-12)
    residual = np.maximum(whole.var(1) - slope**2 * time.var(), 0)
    rms = float(np.sqrt(residual.mean()))
    return rms if rms > 1e-6 else float(signal.std())
