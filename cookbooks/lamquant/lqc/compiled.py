"""Keeps how functions are compiled, so that every machine computes the same."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from numba import njit

_F = TypeVar("_F", bound=Callable[..., Any])


def _sources() -> str:
    """Returns a digest of all files that hold compiled functions, or constants of theirs."""
    files = sorted(Path(__file__).parent.rglob("*.py"))
    texts = [path.read_bytes() for path in files]
    held = [text for path, text in zip(files, texts, strict=True) if b"jit" in text or path.stem == "levels"]
    return hashlib.sha256(b"".join(held)).hexdigest()


_SOURCES = _sources()


def _compiled(function: Callable[..., Any], inline: Literal["never", "always"]) -> Any:
    try:
        made: Any = njit(cache=True, nogil=True, error_model="numpy", inline=inline)(function)
    except RuntimeError:  # numba found no place for its cache
        return njit(nogil=True, error_model="numpy", inline=inline)(function)
    # numba looks at the function's own file alone, and would keep what an older callee was compiled into
    made._cache._cache_file._source_stamp = _SOURCES
    return made


def jit(function: _F) -> _F:
    """Compile on first call; cached on disk when some cache directory is writable.

    Divisions by zero give an infinity, as in IEEE 754. No fast-math and no threads: the compiler may neither
    reorder nor fuse ``+ - * /`` and ``sqrt`` of doubles, whose results IEEE 754 gives to the last bit.
    """
    return cast(_F, _compiled(function, "never"))


def inlined(function: _F) -> _F:
    """Compile like ``jit``, into each caller."""
    return cast(_F, _compiled(function, "always"))
