"""Estimates each plane of coefficients from the others of its chunk, as far as they go together.

Electrodes hear the same sources. Profile ``device`` codes each channel by itself, so what channels share is
still in its integers, and the reader can use it: in each band a plane is guessed as the linear combination of
the others that fits the decoded values best. The weights follow from the planes themselves, so nothing is
trained for a montage, and planes that have nothing in common (those of profile ``full``) get a guess of zero.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

EDGES_HZ = (2.0, 4.0, 6.0, 8.0, 10.0, 13.0, 17.0, 22.0, 30.0, 45.0, 70.0, 120.0)
_LEAST_BINS = 3
NOISE = 0.08
"""Variance of what a quantiser adds, in squared steps, about that of a unit cell."""
_RIDGE = 0.01
_FREE = 2.0
"""How many observations a weight must have to be believed by half, as a share of them."""
MOST_PLANES = 256
"""More planes are not guessed: their weights would take longer than all else."""


@dataclass(frozen=True)
class Guess:
    """Holds guessed planes ``value`` float32 [P, F, K], in steps, and what is left: ``rest`` float32 [P, K].

    ``rest`` is the RMS, in steps, of what a guess misses, and -1 where there is none.
    """

    value: NDArray[np.float32]
    rest: NDArray[np.float32]


def guess_planes(planes: NDArray[np.float32], hop: int, rate_hz: float) -> Guess:
    """Returns the guess of decoded planes [P, F, K], in steps; of their negatives it is the negative.

    The weights are those of a ridge regression, by the inverse of the covariance (Whittaker 1990, "Graphical
    Models", section 5.8).
    """
    size, frames, width = planes.shape
    value = np.zeros_like(planes)
    rest = np.full((size, width), -1, np.float32)
    if not 1 < size <= MOST_PLANES:
        return Guess(value, rest)
    for low, high in pairwise(_edges(hop, rate_hz)):
        part = planes[:, :, low:high].reshape(size, -1).astype(np.float64)
        n = part.shape[1]
        covariance = part @ part.T / n
        own = np.diag(covariance)
        if not own.any():
            continue
        precision = np.linalg.inv(covariance + np.diag(NOISE + (_RIDGE + _FREE * size / n) * own))
        weights = -precision / np.diag(precision)[:, None]
        np.fill_diagonal(weights, 0)
        guessed = weights @ part
        value[:, :, low:high] = guessed.reshape(size, frames, -1)
        rest[:, low:high] = np.sqrt(np.square(part - guessed).mean(1))[:, None]
    return Guess(value, rest)


def _edges(hop: int, rate_hz: float) -> list[int]:
    """Returns the bins at which bands begin, and ``hop``."""
    edges = [0]
    for hertz in EDGES_HZ:
        at = min(hop, round(hertz * 2 * hop / rate_hz))
        if at - edges[-1] >= _LEAST_BINS:
            edges.append(at)
    return edges if edges[-1] == hop else [*edges, hop]
