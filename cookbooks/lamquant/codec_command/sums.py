"""Adds up, block by block, what PRDN and PRD of a channel need: recordings of days are never held whole."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class Sums:
    """Holds sums over a channel; formulas as in `gate.metrics`."""

    n: int = 0
    first: int = 0
    total: float = 0.0
    square: float = 0.0
    error: float = 0.0
    largest: int = 0

    def add(self, original: NDArray[np.int32], decoded: NDArray[np.int32]) -> None:
        """Add a block of samples [n], digital units."""
        if not self.n:
            self.first = int(original[0])
        x = original - np.float64(self.first)  # squares of what lies far from zero would lose digits
        difference = original - decoded.astype(np.float64)
        self.n += len(x)
        self.total += float(x.sum())
        self.square += float(x @ x)
        self.error += float(difference @ difference)
        self.largest = max(self.largest, int(np.abs(difference).max()))

    @property
    def energy(self) -> float:
        """Returns the energy of the original about its mean."""
        return max(0.0, self.square - self.total * self.total / self.n)

    def prdn(self) -> float | None:
        """Returns the percent of the energy about the mean; None of a channel that stands still, and errs."""
        if not self.error:
            return 0.0
        return 100 * math.sqrt(self.error / self.energy) if self.energy else None
