"""Computes figures with their uncertainty. Every interval here covers 95 %.

A share of successes gets Wilson's interval, which stays inside 0 and 1 and is honest for few samples. A mean
gets a percentile bootstrap over independent rows, seeded, so that the same scores give the same interval.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

LEVEL = 0.95
Z = 1.959963984540054
RESAMPLES = 1000

Method = Literal["wilson", "bootstrap"]


@dataclass(frozen=True)
class Estimate:
    """Holds a value with its 95 % interval, how that was made, and from how many independent samples."""

    value: float
    low: float
    high: float
    method: Method
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Returns it for a report; values that are whole shares keep their digits."""
        return asdict(self)


def wilson(successes: float, n: int) -> Estimate:
    """Estimate a share of ``n`` independent trials.

    Raises:
        ValueError: there were no trials: a share of nothing is not a figure.
    """
    if n < 1:
        raise ValueError("no samples: nothing was measured")
    share = successes / n
    centre = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n)) / (1 + Z * Z / n)
    # rounding would leave ends just off 0 and 1
    low = centre - half if successes else 0.0
    high = centre + half if successes < n else 1.0
    return Estimate(share, low, high, "wilson", n)


def bootstrap_mean(values: Sequence[float], *, seed: int = 0) -> Estimate:
    """Estimate the mean of independent values."""
    return bootstrap_ratio(values, [1.0] * len(values), seed=seed)


def bootstrap_ratio(sums: Sequence[float], weights: Sequence[float], *, seed: int = 0) -> Estimate:
    """Sum over rows divided by weight over rows, such as a loss per token over rows of several tokens.

    Raises:
        ValueError: there are no rows, or they weigh nothing.
    """
    n, total = len(sums), math.fsum(weights)
    if n < 1 or total <= 0:
        raise ValueError("no samples: nothing was measured")
    drawn = random.Random(seed)
    rows = range(n)
    means = []
    for _ in range(RESAMPLES):
        chosen = drawn.choices(rows, k=n)
        weight = sum(weights[i] for i in chosen)
        if weight > 0:
            means.append(sum(sums[i] for i in chosen) / weight)
    means.sort()
    tail = (1 - LEVEL) / 2
    low, high = _quantile(means, tail), _quantile(means, 1 - tail)
    return Estimate(math.fsum(sums) / total, low, high, "bootstrap", n)


def bootstrap_difference(
    sums: Sequence[float], other: Sequence[float], weights: Sequence[float], *, seed: int = 0
) -> Estimate:
    """Estimate how much larger the ratio of ``sums`` is than that of ``other``, over the same rows.

    Pairing takes out what makes one row harder than the next for both.
    """
    return bootstrap_ratio([a - b for a, b in zip(sums, other, strict=True)], weights, seed=seed)


def _quantile(ordered: Sequence[float], at: float) -> float:
    place = at * (len(ordered) - 1)
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)
