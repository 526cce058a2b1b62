"""Keeps how functions are compiled, so that every machine computes the same."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def jit(function: _F) -> _F:
    """Compile on first call; cached on disk when some cache directory is writable.

    Divisions by zero give an infinity, as in IEEE 754. No fast-math and no threads: the compiler may neither
    reorder nor fuse ``+ - * /`` and ``sqrt`` of doubles, whose results IEEE 754 gives to the last bit.
    """
    try:
        return cast(_F, njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # numba found no place for its cache
        return cast(_F, njit(nogil=True, error_model="numpy")(function))
