"""Says in which units steps, levels, frequencies and frame durations are indexed."""

import numpy as np
from numpy.typing import NDArray

LEVELS_PER_OCTAVE = 4
N_LEVELS = 40
LEVEL_ZERO = 16
"""Level of a plane whose RMS is one quantiser step."""
STEPS_PER_OCTAVE = 64
MAX_STEP_INDEX = 32 * STEPS_PER_OCTAVE
POSITION_HZ = 0.5
N_POSITIONS = 257
DURATIONS_PER_OCTAVE = 2
N_DURATIONS = 24
_SHORTEST = 8
"""Octaves below one second of the shortest frame advance that has an index of its own."""


def step_size(step_index: int) -> float:
    """Returns the quantiser step in digital units."""
    return 2.0 ** (step_index / STEPS_PER_OCTAVE)


def level_of(rms: float, step: float) -> int:
    """Returns the index of the ratio of signal to step, which conditions the probability model."""
    level = LEVEL_ZERO + round(LEVELS_PER_OCTAVE * float(np.log2(max(rms, 1e-9) / step)))
    return min(max(level, 0), N_LEVELS - 1)


def positions(hop: int, rate_hz: float) -> NDArray[np.int64]:
    """Returns the index of each coefficient in the 0.5 Hz frequency table, [hop]."""
    frequency = (np.arange(hop) + 0.5) * rate_hz / (2 * hop)
    return np.minimum(np.round(frequency / POSITION_HZ), N_POSITIONS - 1).astype(np.int64)


def duration_of(hop: int, rate_hz: float) -> int:
    """Returns the index of the frame advance in half octaves of seconds."""
    octaves = float(np.log2(hop / rate_hz))
    return min(max(round(DURATIONS_PER_OCTAVE * (octaves + _SHORTEST)), 0), N_DURATIONS - 1)
