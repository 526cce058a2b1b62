"""Keeps the one door to numba, and the constants of the LML1 coding that compiled code shares.

Compiled functions call only functions of their own module: numba's on-disk cache notices a change of the
file that holds a function, not of another file that it calls into.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.cpython.unsafe import numbers

OK = 0
SHORT = 1  # meta or payload ends early
BAD_ORDER = 2
BAD_RICE = 3
BAD_COUNT = 4  # a subband announces another length than the lifting gives
LEFT_OVER = 5

BIAS_TAPS = 32  # running-mean context of the bias stage (spec 4.4); the sum is floored by a shift of 5
BIAS_SHIFT = 5
Q_BITS = 27  # fixed point of the prediction coefficients
MAX_ORDER = 32
MAX_RICE = 31

leading_zeros: Any = numbers.leading_zeros
"""Counts the zeros above the highest bit of a 64-bit word, in compiled code."""

_F = TypeVar("_F", bound=Callable[..., Any])


def jit(function: _F) -> _F:
    """Compile on first call; cached on disk when some cache directory is writable.

    No fast-math and no threads: the same input gives the same bytes.
    """
    try:
        return cast(_F, njit(cache=True, nogil=True)(function))
    except RuntimeError:  # numba found no place for its cache
        return cast(_F, njit(nogil=True)(function))
