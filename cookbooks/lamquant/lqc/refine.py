"""Moves decoded integers to where the coefficients that became them lie on average.

The quantiser sends more to a small magnitude from below than a uniform one would, and magnitudes grow rarer
from cell to cell: the mean of a cell is not its middle. How far it is off depends on how loud the
neighbourhood is, and on the frequency hardly at all. Sullivan (1996) on centroids of a Laplacian quantiser.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import LqcError

N_LOUD, N_MAGNITUDES = 12, 4
"""Classes of neighbourhoods, two an octave from the quietest; magnitudes 1, 2, 3 and all above."""
_PRIOR = 50
"""So many observations weigh as much as not moving at all."""


@dataclass(frozen=True)
class Refine:
    """Holds ``shift`` float32 [N_LOUD, N_MAGNITUDES]: by how many steps a magnitude grows."""

    shift: NDArray[np.float32]

    def as_arrays(self) -> dict[str, NDArray[Any]]:
        """Returns named arrays for a checkpoint."""
        return {"shift": self.shift}

    @classmethod
    def from_arrays(cls, arrays: dict[str, NDArray[Any]]) -> "Refine":
        """Make the refinement of what ``as_arrays`` gave.

        Raises:
            LqcError: the array is missing, of another type or shape, or moves a value by a step or more.
        """
        shift = arrays.get("shift")
        if shift is None or shift.dtype != np.float32 or shift.shape != (N_LOUD, N_MAGNITUDES):
            raise LqcError(
                f"refine.shift: must be float32 [{N_LOUD}, {N_MAGNITUDES}]: the checkpoint is damaged"
            )
        if not (np.abs(shift) < 1).all():
            raise LqcError("refine.shift: must be between -1 and 1: the checkpoint is damaged")
        return cls(shift)

    def apply(self, planes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the refined planes [P, F, K] of whole numbers, both in steps; zeros stay."""
        out = np.empty_like(planes)
        for plane, refined in zip(planes, out, strict=True):
            _move(np.ascontiguousarray(plane), self.shift, refined)
        return out


@numba.njit(cache=True, nogil=True)
def _at(plane, t, k):
    if 0 <= t < plane.shape[0] and 0 <= k < plane.shape[1]:
        return min(abs(plane[t, k]), np.float32(65536))
    return np.float32(0)


@numba.njit(cache=True, nogil=True)
def cell_of(plane, t, k):
    """Returns the class of the neighbourhood and of the magnitude of one value that is not zero.

    The nearest neighbours count twice, those one further and at the corners once. All are whole numbers
    below 2**24, so the sum is exact in any order.
    """
    near = _at(plane, t - 1, k) + _at(plane, t + 1, k) + _at(plane, t, k - 1) + _at(plane, t, k + 1)
    far = _at(plane, t - 2, k) + _at(plane, t + 2, k) + _at(plane, t, k - 2) + _at(plane, t, k + 2)
    corners = (
        _at(plane, t - 1, k - 1)
        + _at(plane, t - 1, k + 1)
        + _at(plane, t + 1, k - 1)
        + _at(plane, t + 1, k + 1)
    )
    around = np.int64(2 * near + far + corners)
    loud = 0
    while around > 1 and loud < N_LOUD - 2:
        around -= (around + 1) // 3  # about half an octave
        loud += 1
    loud = min(loud + around, N_LOUD - 1)
    return loud, min(np.int64(abs(plane[t, k])), N_MAGNITUDES) - 1


@numba.njit(cache=True, nogil=True)
def _move(plane, shift, out):
    for t in range(plane.shape[0]):
        for k in range(plane.shape[1]):
            value = plane[t, k]
            if value != 0:
                loud, magnitude = cell_of(plane, t, k)
                moved = abs(value) + shift[loud, magnitude]
                out[t, k] = moved if value > 0 else -moved
            else:
                out[t, k] = np.float32(0)


@numba.njit(cache=True, nogil=True)
def _count(plane, original, total, number):
    for t in range(plane.shape[0]):
        for k in range(plane.shape[1]):
            value = plane[t, k]
            if value != 0:
                loud, magnitude = cell_of(plane, t, k)
                sign = 1.0 if value > 0 else -1.0
                total[loud, magnitude] += sign * (float(original[t, k]) - float(value))
                number[loud, magnitude] += 1


def fit_refine(pairs: Iterable[tuple[NDArray[np.float32], NDArray[np.float32]]]) -> Refine:
    """Returns the refinement of pairs of coefficients and the whole numbers that they became, [P, F, K].

    A class that was seen seldom is moved little: each counts as if ``_PRIOR`` more had not moved.
    """
    total, number = np.zeros((N_LOUD, N_MAGNITUDES)), np.zeros((N_LOUD, N_MAGNITUDES))
    for originals, planes in pairs:
        for original, plane in zip(originals, planes, strict=True):
            _count(np.ascontiguousarray(plane), np.ascontiguousarray(original), total, number)
    return Refine(np.clip(total / (number + _PRIOR), -0.5, 0.5).astype(np.float32))
