"""Estimates error and size at any quantiser step from how large the coefficients are.

The magnitudes of a channel's coefficients are counted in eighths of an octave. What a quantiser does to one
magnitude at one step is known roughly, so both curves have the right shape and a factor that the first
attempt shows. With that factor they give the next step nearly exactly.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.levels import MAX_STEP_INDEX, STEPS_PER_OCTAVE

_EIGHTH = 49
"""Bits of a double below its exponent and the first three of its mantissa."""
_LEAST, _N = (1023 - 20) << 3, 60 << 3
"""Bin of 2^-20, and bins up to 2^40."""
_DEAD_ZONE = 0.66
"""Magnitudes below so many steps become zero."""
_IN_STEP = 0.09
"""Mean squared error in squared steps of what does not become zero."""
MIN_STEP_INDEX = -4 * STEPS_PER_OCTAVE

_CENTRES = ((np.arange(_LEAST, _LEAST + _N) << _EIGHTH) | (1 << (_EIGHTH - 1))).view(np.float64)


@dataclass(frozen=True)
class ErrorCurves:
    """Holds how often each magnitude occurs, [C, 480], and how many coefficients there are a channel."""

    counts: NDArray[np.float64]

    @classmethod
    def of(cls, coefficients: NDArray[np.floating]) -> "ErrorCurves":
        """Count the magnitudes of coefficients [C, F, K] in digital units."""
        bins = np.abs(coefficients, dtype=np.float64).reshape(len(coefficients), -1).view(np.int64) >> _EIGHTH
        bins = np.clip(bins - _LEAST, 0, _N - 1)
        return cls(np.stack([np.bincount(one, minlength=_N) for one in bins]).astype(np.float64))

    def __add__(self, other: "ErrorCurves") -> "ErrorCurves":
        return ErrorCurves(self.counts + other.counts)

    def error(self, steps: NDArray[np.int64]) -> NDArray[np.float64]:
        """Returns the mean squared error of each channel at its step index [C], in squared digital units."""
        step = 2.0 ** (np.asarray(steps)[:, None] / STEPS_PER_OCTAVE)
        m = _CENTRES / step
        squared = np.where(m < _DEAD_ZONE, m * m, _IN_STEP) * step * step
        return (self.counts * squared).sum(1) / np.maximum(self.counts.sum(1), 1)

    def bits(self, steps: NDArray[np.int64]) -> float:
        """Returns bits a coefficient over all channels at step indices [C]."""
        m = _CENTRES / 2.0 ** (np.asarray(steps)[:, None] / STEPS_PER_OCTAVE)
        bits = np.where(m < _DEAD_ZONE / 2, 0.6 * m * m, 1.5 + np.log2(np.maximum(m, 0.2)))
        return float((self.counts * np.maximum(bits, 0)).sum() / max(self.counts.sum(), 1))

    def solve(self, wanted: NDArray[np.float64], factor: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the largest step indices at which ``factor`` times the error is ``wanted`` at most."""
        low = np.full(len(wanted), MIN_STEP_INDEX, np.int64)
        high = np.full(len(wanted), MAX_STEP_INDEX, np.int64)
        while np.any(high - low > 1):
            middle = (low + high) // 2
            kept = factor * self.error(middle) <= wanted
            low, high = np.where(kept, middle, low), np.where(kept, high, middle)
        return low
