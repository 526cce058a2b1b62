"""Makes crops sound as if other amplifiers, electrodes and people had made them.

A network that has seen one headset's spectrum takes it for all EEG. Gains that vary smoothly over frequency,
noise floors, low-passes and mains lines of random size keep it to what neighbours tell. All of it is done on
MDCT coefficients, where a filter is a gain for each bin.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.lapped import bin_frequency

_KNOTS = np.arange(-2.0, 8.5)
"""Octaves of a hertz between which gains are straight, in decibels."""
_FLAT = slice(2, 7)
"""Knots, 1 to 16 Hz, whose mean gain is 0 dB."""
_WANDER_DB, _JITTER_DB = 3.5, 3.5
_COLOURED, _NOISY, _FILTERED, _HUMMING = 0.85, 0.3, 0.2, 0.15
"""How often each is done."""
_MAINS_HZ = (50.0, 60.0)
_DRIFT_HZ = 0.7
"""What lies below is not counted when the strength is kept."""


def coloured(
    y: NDArray[np.float64], hop: int, rate_hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Returns coefficients [F, hop] with another spectrum, as strong as before but for drift."""
    frequency = bin_frequency(hop, rate_hz)
    counted = frequency > min(_DRIFT_HZ, rate_hz / 4)
    before = float(np.square(y[:, counted]).mean())
    gain_db = np.cumsum(rng.normal(0, _WANDER_DB, len(_KNOTS))) + rng.normal(0, _JITTER_DB, len(_KNOTS))
    gain_db = np.interp(np.log2(frequency), _KNOTS, gain_db - gain_db[_FLAT].mean())
    if rng.random() < _COLOURED:
        y = y * 10 ** (gain_db / 20)
    if rng.random() < _NOISY:
        size = np.sqrt(np.square(y).mean()) * 10 ** rng.uniform(-2, -0.3)
        y = y + size * rng.standard_normal(y.shape)
    if rng.random() < _FILTERED:
        corner, order = rng.uniform(min(20, rate_hz / 4), rate_hz / 2), int(rng.integers(4, 24))
        y = y / np.sqrt(1 + (frequency / corner) ** order)
    if rng.random() < _HUMMING:
        y = y + _hum(frequency, len(y), rate_hz / hop, rng) * np.sqrt(before * hop)
    after = float(np.square(y[:, counted]).mean())
    return y * np.sqrt(before / after) if after > 0 else y


def _hum(
    frequency: NDArray[np.float64], frames: int, width_hz: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    line = _MAINS_HZ[int(rng.integers(len(_MAINS_HZ)))]
    shape = np.exp(-np.square((frequency - line) / width_hz))
    return 10 ** rng.uniform(-1.5, 0) * shape * rng.standard_normal((frames, 1))
