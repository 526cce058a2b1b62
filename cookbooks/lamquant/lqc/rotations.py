"""Finds and applies plane rotations that take from channels what they have in common.

A Givens rotation turns two rows by one of ``2 * MOST_ANGLE + 1`` angles, which lie the closer together the
smaller they are: rows of very different strength are turned little, and exactly. Rotations are found greedily
from a covariance R, as in Jacobi's method: the pair with the largest squared coherence
``R_ij**2 / ((R_ii + t) (R_jj + t))`` saves the most bits, ``-n / 2 * log2(1 - coherence)`` of n coefficients
at a noise of t. What lies below the noise so counts for nothing, and one that saves less than it costs ends
the search. The best partner of each row is kept, so a rotation costs time in proportion to the rows.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit

_PER_OCTAVE, _OCTAVES = 8, 9
MOST_ANGLE = _PER_OCTAVE * (_OCTAVES + 1)
"""The number of the largest angle, a quarter turn."""
Rotations = NDArray[np.int32]
"""Rows (i, j, angle) with i < j, angle in -MOST_ANGLE .. MOST_ANGLE. Row i becomes the louder of the two:
planes so are loud in all bands or quiet in all bands, and more of them can be predicted.
"""
_TILE = 256
_MOST_MISSED = 64
"""So many pairs a row may be looked at in vain before the search ends."""


def _angles() -> NDArray[np.float64]:
    """Returns the angle of each number from -MOST_ANGLE on: equal steps, twice as large an octave up."""
    number = np.arange(MOST_ANGLE + 1)
    octave = np.maximum(number // _PER_OCTAVE - 1, 0)
    size = (number - octave * _PER_OCTAVE) * 2.0**octave / (_PER_OCTAVE << _OCTAVES) * np.pi / 2
    return np.concatenate([-size[:0:-1], size])


_ANGLES = _angles()
_COS, _SIN = np.cos(_ANGLES), np.sin(_ANGLES)


@jit
def _nearest(angle):
    """Returns the number of the angle nearest to one of a quarter turn at most."""
    size, octave = abs(angle) / (np.pi / 2) * (_PER_OCTAVE << _OCTAVES), 0
    while size >= 2 * _PER_OCTAVE:
        size, octave = size / 2, octave + 1
    number = np.int64(np.rint(size)) + octave * _PER_OCTAVE
    return number if angle > 0 else -number


@jit
def _look(r, weight, i, best, partner):
    """Find the row that has most in common with row i."""
    found, at = 0.0, -1
    for j in range(len(r)):
        value = r[i, j] * r[i, j] * weight[j]
        if value > found and j != i:
            found, at = value, j
    best[i], partner[i] = found * weight[i], at


@jit
def _turn_rows(rows, i, j, angle):
    c, s = _COS[angle + MOST_ANGLE], _SIN[angle + MOST_ANGLE]
    for k in range(rows.shape[1]):
        x, y = rows[i, k], rows[j, k]
        rows[i, k] = c * x + s * y
        rows[j, k] = c * y - s * x


@jit
def _turn_both(r, i, j, angle, one, two):
    """Turn two rows and columns of a symmetric matrix; ``one`` and ``two`` are what its diagonal gets."""
    _turn_rows(r, i, j, angle)
    c, s = _COS[angle + MOST_ANGLE], _SIN[angle + MOST_ANGLE]
    both = c * r[i, j] - s * r[i, i]
    r[i, i], r[j, j], r[i, j], r[j, i] = one, two, both, both
    for k in range(len(r)):
        if k not in (i, j):
            r[k, i], r[k, j] = r[i, k], r[j, k]


@jit
def _most_in_common(r, weight, best, partner, stale):
    """Returns the row with the largest coherence; what is stale is an upper bound until it is looked at."""
    while True:
        i = np.int64(np.argmax(best))
        if not stale[i]:
            return i
        _look(r, weight, i, best, partner)
        stale[i] = False


@jit
def find_rotations(r, n, noise, cost, most):
    """Returns rotations int32 [m, 3] for a covariance r [C, C] of n coefficients, and turns r by them.

    ``cost`` is what one costs, in bits; there are ``most`` at most.
    """
    size = len(r)
    best, partner, weight = np.ones(size), np.full(size, -1), np.empty(size)
    stale = np.ones(size, np.bool_)
    for i in range(size):
        weight[i] = 1.0 / (r[i, i] + noise)
    found, m, missed = np.empty((most, 3), np.int32), 0, 0
    floor = 1.0 - 2.0 ** (-2.0 * cost / n)
    while m < most and missed < _MOST_MISSED * size:
        i = _most_in_common(r, weight, best, partner, stale)
        if best[i] <= floor:
            break
        i, j = min(i, partner[i]), max(i, partner[i])
        one, two, both = r[i, i], r[j, j], r[i, j]
        angle = _nearest(0.5 * np.arctan2(2 * both, one - two))
        c, s = _COS[angle + MOST_ANGLE], _SIN[angle + MOST_ANGLE]
        after = max(c * c * one + s * s * two + 2 * c * s * both, 0.0)
        rest = max(one + two - after, 0.0)
        if (after + noise) * (rest + noise) * weight[i] * weight[j] >= 1.0 - floor:
            # the nearest angle saves too little: this pair is not looked at until one of it turns
            r[i, j] = r[j, i] = 0.0
            stale[i] = stale[j] = True
            missed += 1
            continue
        found[m, 0], found[m, 1], found[m, 2] = i, j, angle
        m += 1
        _turn_both(r, i, j, angle, after, rest)
        weight[i], weight[j] = 1.0 / (after + noise), 1.0 / (rest + noise)
        best[i] = best[j] = 1.0
        stale[i] = stale[j] = True
        for k in range(size):
            if k not in (i, j):
                for other in (i, j):
                    value = r[k, other] * r[k, other] * weight[k] * weight[other]
                    if value > best[k] or partner[k] == other:
                        stale[k] = stale[k] or value < best[k]
                        best[k] = max(best[k], value)
                        partner[k] = other
    return found[:m].copy()


@jit
def turn(rows, rotations):
    """Turn rows [C, n] by rotations, one after the other."""
    for m in range(len(rotations)):
        _turn_rows(rows, rotations[m, 0], rotations[m, 1], rotations[m, 2])


@jit
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


@jit
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
