"""Finds and applies plane rotations that take from channels what they have in common.

A Givens rotation turns two rows by an angle of a whole number of ``ANGLES``-ths of half a turn. Rotations are
found greedily from a covariance R, as in Jacobi's method: the pair with the largest squared coherence
``R_ij**2 / ((R_ii + t) (R_jj + t))`` saves the most bits, ``-n / 2 * log2(1 - coherence)`` of n coefficients
at a noise of t. What lies below the noise so counts for nothing, and one that saves less than it costs ends
the search. The best partner of each row is kept, so a rotation costs time in proportion to the rows.
"""

import numba
import numpy as np
from numpy.typing import NDArray

ANGLES = 64
Rotations = NDArray[np.int32]
"""Rows (i, j, angle) with i < j, angle in -ANGLES / 2 .. ANGLES / 2. Row i becomes the louder of the two:
planes so are loud in all bands or quiet in all bands, and more of them can be predicted.
"""
_TILE = 256
_COS = np.cos(np.arange(-ANGLES, ANGLES + 1) * np.pi / ANGLES)
_SIN = np.sin(np.arange(-ANGLES, ANGLES + 1) * np.pi / ANGLES)


@numba.njit(cache=True, nogil=True, inline="always")
def _coherence(r, i, j, noise):
    return r[i, j] * r[i, j] / ((r[i, i] + noise) * (r[j, j] + noise))


@numba.njit(cache=True, nogil=True)
def _best(r, i, noise, best, partner):
    best[i], partner[i] = 0.0, -1
    for j in range(len(r)):
        if j != i:
            found = _coherence(r, i, j, noise)
            if found > best[i]:
                best[i], partner[i] = found, j


@numba.njit(cache=True, nogil=True)
def _turn_rows(rows, i, j, angle):
    """Turn two rows of a matrix."""
    c, s = _COS[angle + ANGLES], _SIN[angle + ANGLES]
    for k in range(rows.shape[1]):
        x, y = rows[i, k], rows[j, k]
        rows[i, k] = c * x + s * y
        rows[j, k] = c * y - s * x


@numba.njit(cache=True, nogil=True)
def _turn_both(r, i, j, angle):
    _turn_rows(r, i, j, angle)
    c, s = _COS[angle + ANGLES], _SIN[angle + ANGLES]
    for k in range(len(r)):
        x, y = r[k, i], r[k, j]
        r[k, i] = c * x + s * y
        r[k, j] = c * y - s * x


@numba.njit(cache=True, nogil=True)
def find_rotations(r, n, noise, cost, most):
    """Returns rotations int32 [m, 3] for a covariance r [C, C] of n coefficients, and turns r by them.

    ``cost`` is what one costs, in bits; there are ``most`` at most.
    """
    size = len(r)
    best, partner = np.zeros(size), np.full(size, -1)
    for i in range(size):
        _best(r, i, noise, best, partner)
    found, m = np.empty((most, 3), np.int32), 0
    floor = 1.0 - 2.0 ** (-2.0 * cost / n)
    while m < most:
        i = np.int64(np.argmax(best))
        if best[i] <= floor:
            break
        i, j = min(i, partner[i]), max(i, partner[i])
        one, two, both = r[i, i], r[j, j], r[i, j]
        exact = 0.5 * np.arctan2(2 * both, one - two)
        angle = np.int64(np.rint(exact * ANGLES / np.pi))
        c, s = _COS[angle + ANGLES], _SIN[angle + ANGLES]
        after = c * c * one + s * s * two + 2 * c * s * both
        gone = (after + noise) * (one + two - after + noise) / ((one + noise) * (two + noise))
        if gone >= 1.0 - floor:
            # the nearest angle saves too little: this pair is not looked at until one of it turns
            r[i, j] = r[j, i] = 0.0
            _best(r, i, noise, best, partner)
            _best(r, j, noise, best, partner)
            continue
        found[m, 0], found[m, 1], found[m, 2] = i, j, angle
        m += 1
        _turn_both(r, i, j, angle)
        for k in range(size):
            if k in (i, j) or partner[k] in (i, j):
                _best(r, k, noise, best, partner)
            else:
                for other in (i, j):
                    value = _coherence(r, k, other, noise)
                    if value > best[k]:
                        best[k], partner[k] = value, other
    return found[:m].copy()


@numba.njit(cache=True, nogil=True)
def turn(rows, rotations):
    """Turn rows [C, n] by rotations, one after the other."""
    for m in range(len(rotations)):
        _turn_rows(rows, rotations[m, 0], rotations[m, 1], rotations[m, 2])


@numba.njit(cache=True, nogil=True)
def in_rounds(rotations, size):
    """Sort rotations of ``size`` rows so that the first rows rise as long as they can, and then begin anew.

    Rotations of other rows may change places, so what they do stays the same; but small numbers tell more.
    """
    number = len(rotations)
    # each row's rotations as a list: where it begins, and which follows which
    heads, tails = np.full(size, -1), np.full(size, -1)
    follows = np.full((number, 2), -1)
    for m in range(number):
        for side in range(2):
            row = rotations[m, side]
            if tails[row] < 0:
                heads[row] = m
            else:
                before = tails[row]
                follows[before, 0 if rotations[before, 0] == row else 1] = m
            tails[row] = m
    out, done = np.empty_like(rotations), 0
    while done < number:
        for row in range(size):
            m = heads[row]
            while m >= 0 and rotations[m, 0] == row and heads[rotations[m, 1]] == m:
                out[done] = rotations[m]
                done += 1
                heads[row], heads[rotations[m, 1]] = follows[m, 0], follows[m, 1]
                m = heads[row]
    return out


def backwards(rotations: Rotations) -> Rotations:
    """Returns the rotations that undo ``rotations``."""
    return rotations[::-1] * np.array([1, 1, -1], np.int32)


@numba.njit(cache=True, nogil=True)
def apply_matrix(matrix, y, out):
    """Write ``matrix`` float32 [C, C] times y float32 [C, n] to ``out``.

    Sums run over channels in their order: the result is the same on every machine.
    """
    size, n = y.shape
    for low in range(0, n, _TILE):
        high = min(low + _TILE, n)
        for i in range(size):
            sums = out[i, low:high]
            sums[:] = 0
            for j in range(size):
                weight = matrix[i, j]
                if weight != 0:
                    row = y[j, low:high]
                    for k in range(high - low):
                        sums[k] += weight * row[k]
