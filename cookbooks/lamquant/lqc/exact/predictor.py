"""Estimates a sample from those before: least squares over the past, weighted by how well each was foreseen.

All arithmetic is of IEEE doubles by ``+ - * /`` and ``sqrt``; no function of a mathematics library is
called, since those differ from one machine to another.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit

ALONE = (8, 16, 64)
"""Samples of the channel itself from which each of the predictions is made, without other channels."""
OWN = (8, 16, 24)
"""And beside others."""
AROUND = (1, 3, 6)
"""How many samples of each other channel before the one at the instant, and after it, are used then."""
PREDICTIONS = len(OWN)
PAST, AHEAD = ALONE[2], AROUND[2]
"""Samples before the first and after the last that may be asked for."""
BATCH = 4
"""Samples that are added to the normal equations at a time."""
SOLVE = 8
"""Samples from one solution of them to the next; four times that later on, where there are many."""
MEMORY = 0.9995
"""What a sample's weight in the normal equations is multiplied by at each later sample."""
DOUBT = 0.3
"""How much a badly foreseen sample loses of its weight, as in the most likely fit of Student's t."""
JUMP = 100.0
"""A squared error this many times its variance is a step: the past is shifted, as if always so."""
RIDGE = 1e-4
LIMIT = float(1 << 34)
"""No prediction lies beyond; samples, taken from the first one, lie within half of it."""


class Predictor(NamedTuple):
    """Holds the normal equations of one channel, and the weights last found."""

    places: Any  # int64 [n, 2], row and time from now of each regressor in the signals
    lengths: Any  # int64 [PREDICTIONS], how many of the regressors each prediction uses
    moments: Any  # float64 [n, n + 1]; the last column is what the regressors should give
    factor: Any  # float64 [n, n + 1], upper triangle: the Cholesky factor, and the last column through it
    columns: Any  # float64 [n, n], the factor's columns
    row: Any  # float64 [n + 1]
    weights: Any  # float64 [PREDICTIONS, n]
    batch: Any  # float64 [BATCH, n + 1], regressors and wanted values not yet in the normal equations
    gains: Any  # float64 [BATCH]
    predicted: Any  # float64 [PREDICTIONS]
    variance: Any  # float64 [1]


@jit
def new_predictor(n_others: int, variance: float) -> Predictor:
    """Return a predictor from ``n_others`` channels; ``variance`` is a first guess at its error's."""
    lags = OWN if n_others else ALONE
    n = lags[2] + n_others * (2 * AROUND[2] + 1)
    places, lengths = np.zeros((n, 2), np.int64), np.zeros(PREDICTIONS, np.int64)
    at = own = around = 0
    for k in range(PREDICTIONS):
        while own < lags[k]:
            own += 1
            places[at, 1] = -own
            at += 1
        for time in range(-AROUND[k], AROUND[k] + 1):
            if k == 0 or abs(time) > around:
                for other in range(n_others):
                    places[at, 0] = 1 + other
                    places[at, 1] = time
                    at += 1
        around = AROUND[k]
        lengths[k] = at
    return Predictor(
        places, lengths, np.zeros((n, n + 1)), np.zeros((n, n + 1)), np.zeros((n, n)), np.zeros(n + 1),
        np.zeros((PREDICTIONS, n)), np.zeros((BATCH, n + 1)), np.zeros(BATCH), np.zeros(PREDICTIONS),
        np.full(1, variance),
    )  # fmt: skip


@jit
def predict(p: Predictor, signals: Any, t: int) -> None:
    """Make all predictions of sample ``t`` from ``signals`` float64 [1 + others, PAST + T + AHEAD].

    Row 0 is the channel itself, and sample t is at PAST + t.
    """
    v = p.batch[t % BATCH]
    for i in range(len(p.places)):
        v[i] = signals[p.places[i, 0], PAST + t + p.places[i, 1]]
    for k in range(PREDICTIONS):
        weights = p.weights[k]
        total = v[0]
        for i in range(p.lengths[k]):
            total += weights[i] * v[i]
        p.predicted[k] = _bounded(total)


@jit
def _bounded(value: float) -> float:
    if not value > -LIMIT:  # so for what is no number too
        return -LIMIT
    return min(value, LIMIT)


@jit
def learn(p: Predictor, past: Any, value: float, t: int, step: float) -> None:
    """Store sample ``t`` in ``past`` float64 [PAST + T + AHEAD], and add it to the normal equations.

    They are solved now and then.
    """
    error = value - p.predicted[-1]
    square = error * error
    variance = p.variance[0]
    least = step * step
    if square > JUMP * (variance + least):
        for i in range(t, t + PAST):
            past[i] += error
    past[PAST + t] = value
    gain = (1 - MEMORY) / (variance + DOUBT * square + 0.1 * least)
    p.variance[0] = variance + 0.05 * (min(square, 16 * variance + 100 * least) - variance)
    at = t % BATCH
    p.gains[at] = gain
    p.batch[at, -1] = value - p.batch[at, 0]
    if at == BATCH - 1:
        _add(p)
        n = len(p.moments)
        every = SOLVE if n <= 40 or t < 512 else 4 * SOLVE
        if t % every == every - 1:
            _factorise(p, n)
            for k in range(PREDICTIONS):
                _solve(p, p.weights[k], p.lengths[k])


@jit
def _add(p: Predictor) -> None:
    """Add a full batch to the normal equations, older samples with less weight."""
    v0, v1, v2, v3 = p.batch[0], p.batch[1], p.batch[2], p.batch[3]
    decay = MEMORY * MEMORY
    g0, g1, g2, g3 = decay * MEMORY * p.gains[0], decay * p.gains[1], MEMORY * p.gains[2], p.gains[3]
    decay *= decay
    for i in range(len(p.moments)):
        s0, s1, s2, s3 = g0 * v0[i], g1 * v1[i], g2 * v2[i], g3 * v3[i]
        row = p.moments[i]
        for j in range(len(row)):
            row[j] = decay * row[j] + s0 * v0[j] + s1 * v1[j] + s2 * v2[j] + s3 * v3[j]


@jit
def _factorise(p: Predictor, n: int) -> None:
    """Fill ``factor`` with the Cholesky factor of the moments plus a small ridge, row by row.

    What is left of the diagonal is computed as well, and not used: whole rows are faster.
    """
    row = p.row
    for k in range(n):
        moments = p.moments[k]
        for i in range(len(row)):
            row[i] = moments[i]
        row[k] = row[k] * (1 + 1e-10) + RIDGE
        j = 0
        while j + 4 <= k:
            f0, f1, f2, f3 = p.factor[j], p.factor[j + 1], p.factor[j + 2], p.factor[j + 3]
            b0, b1, b2, b3 = f0[k], f1[k], f2[k], f3[k]
            for i in range(len(row)):
                row[i] = row[i] - b0 * f0[i] - b1 * f1[i] - b2 * f2[i] - b3 * f3[i]
            j += 4
        while j < k:
            f0 = p.factor[j]
            b0 = f0[k]
            for i in range(len(row)):
                row[i] -= b0 * f0[i]
            j += 1
        scale = 1 / math.sqrt(max(row[k], 1e-30))
        factor = p.factor[k]
        for i in range(len(row)):
            factor[i] = row[i] * scale
        for i in range(k, n):
            p.columns[i, k] = factor[i]


@jit
def _solve(p: Predictor, weights: Any, n: int) -> None:
    """Fill ``weights`` with the solution for the first ``n`` regressors alone."""
    for k in range(n):
        weights[k] = p.factor[k, -1]
    for k in range(n - 1, -1, -1):
        column = p.columns[k]
        weight = weights[k] / column[k]
        for i in range(k):
            weights[i] -= column[i] * weight
        weights[k] = weight
