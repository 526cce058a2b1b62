"""Says how likely a sample is: a mixture of Student's t about both predictions, at scales that follow.

Student's t of an even number of degrees of freedom has a distribution function of ``+ - * /`` and ``sqrt``
alone, so every machine finds the same counts.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit

int64: Any = np.int64
RATES = np.array([0.2, 0.05, 0.01])
"""How fast the variances of a prediction's error follow it."""
WIDTHS = np.array([0.85, 0.9])
"""Scale of Student's t over the standard deviation, for 4 and 10 degrees of freedom."""
EXPERTS = 2 * len(RATES) * len(WIDTHS)
SHARE = 0.003
"""Part of the weight that is dealt out evenly after each sample, so that no expert is lost."""
HALF = 1023
"""Symbols on each side of the predicted one that have a probability of their own."""
SYMBOLS = 2 * HALF + 3
"""Those, the predicted one, and one for all beyond on each side."""
TOTAL_BITS = 24
FINE = 6
"""A standard deviation is cut in at most 2**FINE intervals; what is finer is coded as plain bits."""


class Density(NamedTuple):
    """Holds the experts on what the next sample is: weight, variance, and place on the axis of symbols."""

    weight: Any  # float64 [EXPERTS]
    likely: Any  # float64 [EXPERTS]
    variance: Any  # float64 [2, len(RATES)]
    centre: Any  # float64 [EXPERTS]
    slope: Any  # float64 [EXPERTS]


@jit
def new_density(variance: float) -> Density:
    """Return experts of equal weight, with a first guess at the ``variance`` of the error."""
    return Density(
        np.full(EXPERTS, 1 / EXPERTS), np.zeros(EXPERTS), np.full((2, len(RATES)), variance),
        np.zeros(EXPERTS), np.zeros(EXPERTS),
    )  # fmt: skip


@jit
def place(d: Density, predicted: Any, step: float) -> Any:
    """Set where experts stand; return the centre's value, and how many plain bits follow a symbol."""
    first = 0.0
    half = EXPERTS // 2
    for e in range(half):
        first += d.weight[e]
    centre = int64(math.floor(first * predicted[0] + (1 - first) * predicted[1] + 0.5))
    e = 0
    for k in range(2):
        for r in range(len(RATES)):
            deviation = math.sqrt(d.variance[k, r])
            for w in range(2):
                scale = deviation * WIDTHS[w] + 0.02 * step
                d.slope[e] = step / scale
                d.centre[e] = (centre - predicted[k]) / scale
                e += 1
    intervals = math.sqrt(d.variance[0, 1]) / step
    plain = 0
    while plain < 34 and intervals >= 2 << FINE:
        intervals *= 0.5
        plain += 1
    return centre, plain


@jit
def _below(d: Density, symbol: int, plain: int) -> int:
    """Return the cumulative count below ``symbol`` in [0, SYMBOLS]; ``likely`` becomes what lies above it."""
    if symbol <= 0:
        return 0
    if symbol >= SYMBOLS:
        for e in range(EXPERTS):
            d.likely[e] = 1 - d.likely[e]
        return 1 << TOTAL_BITS
    width = 1 << plain
    edge = (symbol - HALF - 1) * width - (width >> 1) - 0.5
    total = 0.0
    for e in range(0, EXPERTS, 2):
        u = d.centre[e] + edge * d.slope[e]
        r = 1 / (4 + u * u)
        wide = 0.5 + 0.5 * u * math.sqrt(r) * (1 + 2 * r)
        u = d.centre[e + 1] + edge * d.slope[e + 1]
        r = 1 / (10 + u * u)
        c = 10 * r
        series = 1 + c * (0.5 + c * (0.375 + c * (0.3125 + c * 0.2734375)))
        narrow = 0.5 + 0.5 * u * math.sqrt(r) * series
        total += d.weight[e] * wide + d.weight[e + 1] * narrow
        d.likely[e] = wide - d.likely[e]
        d.likely[e + 1] = narrow - d.likely[e + 1]
    room = (1 << TOTAL_BITS) - 2 * SYMBOLS
    return 2 * symbol + min(max(int64(total * room), 0), room)


@jit
def interval(d: Density, symbol: int, plain: int) -> Any:
    """Return first count and number of counts of ``symbol``; ``likely`` becomes each expert's probability."""
    for e in range(EXPERTS):
        d.likely[e] = 0.0
    first = _below(d, symbol, plain)
    return first, _below(d, symbol + 1, plain) - first


@jit
def find(d: Density, count: int, plain: int) -> int:
    """Return the symbol whose interval holds ``count``: near the centre first, then by bisection."""
    low, high = 0, SYMBOLS
    reach = min(int64(4 * math.sqrt(1 / (d.slope[2] * d.slope[2]))) >> plain, HALF) + 3
    if _below(d, max(HALF + 1 - reach, 0), plain) <= count:
        low = max(HALF + 1 - reach, 0)
    if _below(d, min(HALF + 1 + reach, SYMBOLS), plain) > count:
        high = min(HALF + 1 + reach, SYMBOLS)
    while high - low > 1:
        middle = (low + high) >> 1
        if _below(d, middle, plain) <= count:
            low = middle
        else:
            high = middle
    return low


@jit
def weigh(d: Density, predicted: Any, value: float) -> None:
    """Give each expert weight by how likely it found the symbol, and the variances the new errors."""
    total = 0.0
    for e in range(EXPERTS):
        d.weight[e] *= max(d.likely[e], 0.0) + 1e-9
        total += d.weight[e]
    for e in range(EXPERTS):
        d.weight[e] = d.weight[e] * ((1 - SHARE) / total) + SHARE / EXPERTS
    for k in range(2):
        error = value - predicted[k]
        square = error * error
        for r in range(len(RATES)):
            d.variance[k, r] += RATES[r] * (square - d.variance[k, r])
