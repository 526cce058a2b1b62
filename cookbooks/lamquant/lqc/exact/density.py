"""Says how likely a sample is: a mixture of Student's t about each prediction, at scales that follow.

Student's t of an even number of degrees of freedom has a distribution function of ``+ - * /`` and ``sqrt``
alone, so every machine finds the same counts.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.exact.predictor import PREDICTIONS

int64: Any = np.int64
RATES = np.array([0.3, 0.08, 0.02])
"""How fast the variances of a prediction's error follow it."""
WIDTHS = np.array([0.8, 0.9])
"""Scale of Student's t over the standard deviation, for 2 and 10 degrees of freedom."""
EXPERTS = PREDICTIONS * len(RATES) * len(WIDTHS)
SHAPES = np.array([[2, 0, 0, 0, 0], [10, 0.5, 0.375, 0.3125, 0.2734375]])
"""Degrees of freedom, and series of the distribution function."""
OUTLIER = 15.0
"""A squared error counts for at most this many times its variance."""
SHARE = 0.003
"""Part of the weight that is dealt out evenly after each sample, so that no expert is lost."""
HALF = 1023
"""Symbols on each side of the predicted one that have a probability of their own."""
SYMBOLS = 2 * HALF + 3
"""Those, the predicted one, and one for all beyond on each side."""
TOTAL_BITS = 24
FINE = 6
"""A standard deviation is cut in at most 2**FINE intervals; what is finer is coded as plain bits."""


CENTRE, SLOPE, FREEDOM, SERIES, BELOW = 0, 1, 2, 3, 7
"""Rows of the table of experts: place and scale of each, its Student's t, and what it finds below a symbol.

The distribution function is ``(1 + s * (1 + c * (S0 + c * (S1 + c * (S2 + c * S3))))) / 2`` with
``c = v / (v + u * u)`` and ``s = u / sqrt(v + u * u)``, for ``v`` degrees of freedom up to 10.
"""


class Density(NamedTuple):
    """Holds the experts on what the next sample is."""

    weight: Any  # float64 [EXPERTS]
    variance: Any  # float64 [PREDICTIONS, len(RATES)]
    table: Any  # float64 [8, EXPERTS]
    likely: Any  # float64 [EXPERTS], what each found of the symbol itself


@jit
def new_density(variance: float) -> Density:
    """Return experts of equal weight, with a first guess at the ``variance`` of the error."""
    table = np.zeros((8, EXPERTS))
    for e in range(EXPERTS):
        for i in range(len(SHAPES[0])):
            table[FREEDOM + i, e] = SHAPES[e % len(SHAPES), i]
    return Density(
        np.full(EXPERTS, 1 / EXPERTS), np.full((PREDICTIONS, len(RATES)), variance), table, np.zeros(EXPERTS)
    )


@jit
def place(d: Density, predicted: Any, step: float) -> Any:
    """Set where experts stand; return the centre's value, and how many plain bits follow a symbol."""
    each = EXPERTS // PREDICTIONS
    mean = 0.0
    for e in range(EXPERTS):
        mean += d.weight[e] * predicted[e // each]
    centre = int64(math.floor(mean + 0.5))
    e = 0
    for k in range(PREDICTIONS):
        for r in range(len(RATES)):
            deviation = math.sqrt(d.variance[k, r])
            for w in range(len(WIDTHS)):
                scale = deviation * WIDTHS[w] + 0.02 * step
                d.table[SLOPE, e] = step / scale
                d.table[CENTRE, e] = (centre - predicted[k]) / scale
                e += 1
    intervals = math.sqrt(d.variance[0, 1]) / step
    plain = 0
    while plain < 34 and intervals >= 2 << FINE:
        intervals *= 0.5
        plain += 1
    return centre, plain


@jit
def _count(d: Density, symbol: int, plain: int) -> int:
    """Return the cumulative count below ``symbol`` in [0, SYMBOLS], and set ``below``."""
    if symbol <= 0:
        d.table[BELOW] = 0.0
        return 0
    if symbol >= SYMBOLS:
        d.table[BELOW] = 1.0
        return 1 << TOTAL_BITS
    width = 1 << plain
    edge = (symbol - HALF - 1) * width - (width >> 1) - 0.5
    x = d.table
    for e in range(x.shape[1]):
        u = x[CENTRE, e] + edge * x[SLOPE, e]
        r = 1 / (x[FREEDOM, e] + u * u)
        c = x[FREEDOM, e] * r
        series = c * (x[SERIES, e] + c * (x[SERIES + 1, e] + c * (x[SERIES + 2, e] + c * x[SERIES + 3, e])))
        x[BELOW, e] = 0.5 + 0.5 * u * math.sqrt(r) * (1 + series)
    below = x[BELOW]
    a = b = 0.0
    for e in range(0, EXPERTS, 2):
        a += d.weight[e] * below[e]
        b += d.weight[e + 1] * below[e + 1]
    room = (1 << TOTAL_BITS) - 2 * SYMBOLS
    part = a + b
    if not part > 0:  # so for what is no number too
        part = 0.0
    return 2 * symbol + int64(min(part, 1.0) * room)


@jit
def interval(d: Density, symbol: int, plain: int) -> Any:
    """Return first count and number of counts of ``symbol``; set each expert's ``likely``."""
    first = _count(d, symbol, plain)
    for e in range(EXPERTS):
        d.likely[e] = d.table[BELOW, e]
    count = _count(d, symbol + 1, plain) - first
    for e in range(EXPERTS):
        d.likely[e] = d.table[BELOW, e] - d.likely[e]
    return first, count


@jit
def find(d: Density, count: int, plain: int) -> int:
    """Return the symbol whose interval holds ``count``: near the centre first, then by bisection."""
    low, high = 0, SYMBOLS
    reach = min(int64(4 / d.table[SLOPE, 2]) >> plain, HALF) + 3
    if _count(d, max(HALF + 1 - reach, 0), plain) <= count:
        low = max(HALF + 1 - reach, 0)
    if _count(d, min(HALF + 1 + reach, SYMBOLS), plain) > count:
        high = min(HALF + 1 + reach, SYMBOLS)
    while high - low > 1:
        middle = (low + high) >> 1
        if _count(d, middle, plain) <= count:
            low = middle
        else:
            high = middle
    return low


@jit
def weigh(d: Density, predicted: Any, value: float, step: float) -> None:
    """Give each expert weight by how likely it found the symbol, and the variances the new errors."""
    total = 0.0
    for e in range(EXPERTS):
        d.weight[e] *= max(d.likely[e], 0.0) + 1e-9
        total += d.weight[e]
    for e in range(EXPERTS):
        d.weight[e] = d.weight[e] * ((1 - SHARE) / total) + SHARE / EXPERTS
    for k in range(PREDICTIONS):
        error = value - predicted[k]
        square = error * error
        for r in range(len(RATES)):
            variance = d.variance[k, r]
            d.variance[k, r] = variance + RATES[r] * (
                min(square, OUTLIER * variance + step * step) - variance
            )
