"""Estimates a sample from those before: least squares over the past, weighted by how well each was foreseen.

All arithmetic is of IEEE doubles by ``+ - * /`` and ``sqrt``; no function of a mathematics library is
called, since those differ from one machine to another.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit

OWN = 32
"""Samples of the channel itself that predict the next one."""
NEAR = 16
"""How many of them a second, shorter prediction uses."""
TAPS = 3
"""Samples of another channel that predict: the one before, the one at the instant and the one after it."""
EVERY = 4
"""Samples from one solution of the normal equations to the next."""
MEMORY = 0.9995
"""What a sample's weight in the normal equations is multiplied by at each later sample."""
LIMIT = float(1 << 34)
"""No prediction lies beyond; samples, taken from the first one, lie within half of it."""


class Predictor(NamedTuple):
    """Holds the normal equations of one channel, and the weights last found."""

    moments: Any  # float64 [n, n], lower triangle
    target: Any  # float64 [n]
    factor: Any  # float64 [n, n], row k is column k of the Cholesky factor
    scratch: Any  # float64 [n]
    weights: Any  # float64 [2, n]
    regressors: Any  # float64 [n]
    predicted: Any  # float64 [2]
    variance: Any  # float64 [1]


@jit
def new_predictor(n: int, variance: float) -> Predictor:
    """Return a predictor of ``n`` regressors; ``variance`` is a first guess at its error's."""
    return Predictor(
        np.zeros((n, n)), np.zeros(n), np.zeros((n, n)), np.zeros(n),
        np.zeros((2, n)), np.zeros(n), np.zeros(2), np.full(1, variance),
    )  # fmt: skip


@jit
def predict(p: Predictor, past: Any, others: Any, t: int) -> None:
    """Fill the regressors and both predictions; ``past`` float64 [OWN + T] holds sample t at OWN + t."""
    v = p.regressors
    n_others = len(others)
    for i in range(NEAR):
        v[i] = past[OWN + t - 1 - i]
    at = NEAR
    for j in range(n_others):
        for i in range(TAPS):
            v[at] = others[j, t + i]
            at += 1
    for i in range(NEAR, OWN):
        v[at] = past[OWN + t - 1 - i]
        at += 1
    whole = near = 0.0
    for i in range(at):
        whole += p.weights[0, i] * v[i]
    for i in range(at - OWN + NEAR):
        near += p.weights[1, i] * v[i]
    p.predicted[0] = _bounded(v[0] + whole)
    p.predicted[1] = _bounded(v[0] + near)


@jit
def _bounded(value: float) -> float:
    if not value > -LIMIT:  # so for what is no number too
        return -LIMIT
    return min(value, LIMIT)


@jit
def learn(p: Predictor, value: float, t: int, step: float) -> None:
    """Add what sample ``t`` was to the normal equations, and solve them now and then."""
    v = p.regressors
    n = len(v)
    error = value - p.predicted[0]
    square = error * error
    variance = p.variance[0]
    gain = (1 - MEMORY) / (variance + 0.2 * square + 0.1 * step * step)
    p.variance[0] = variance + 0.03 * (min(square, 16 * variance + 100 * step * step) - variance)
    wanted = gain * (value - v[0])
    for i in range(n):
        scaled = gain * v[i]
        row = p.moments[i]
        for j in range(i + 1):
            row[j] = MEMORY * row[j] + scaled * v[j]
        p.target[i] = MEMORY * p.target[i] + wanted * v[i]
    if t % EVERY == 0:
        _factorise(p.moments, p.factor, n)
        _solve(p.factor, p.target, p.scratch, p.weights[0], n)
        _solve(p.factor, p.target, p.scratch, p.weights[1], n - OWN + NEAR)


@jit
def _factorise(moments: Any, factor: Any, n: int) -> None:
    """Fill ``factor`` with the transposed Cholesky factor of ``moments`` plus a small ridge."""
    for i in range(n):
        for j in range(i, n):
            factor[i, j] = moments[j, i]
        factor[i, i] = factor[i, i] * (1 + 1e-10) + 1e-4
    for k in range(n):
        row = factor[k]
        scale = 1 / math.sqrt(max(row[k], 1e-30))
        for j in range(k, n):
            row[j] *= scale
        for i in range(k + 1, n):
            by = row[i]
            below = factor[i]
            for j in range(i, n):
                below[j] -= by * row[j]


@jit
def _solve(factor: Any, target: Any, scratch: Any, weights: Any, n: int) -> None:
    for i in range(n):
        scratch[i] = target[i]
    for k in range(n):
        row = factor[k]
        value = scratch[k] / row[k]
        scratch[k] = value
        for j in range(k + 1, n):
            scratch[j] -= row[j] * value
    for k in range(n - 1, -1, -1):
        row = factor[k]
        total = scratch[k]
        for j in range(k + 1, n):
            total -= row[j] * weights[j]
        weights[k] = total / row[k]
