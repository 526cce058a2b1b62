"""Keeps how functions are compiled, so that every machine computes the same."""

import ast
import contextlib
import hashlib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from numba import njit

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None

_F = TypeVar("_F", bound=Callable[..., Any])
_PACKAGE, _ROOT = __name__.rpartition(".")[0], Path(__file__).parent


@cache
def _sources(file: Path) -> bytes:
    """Returns a digest of a source file and of all that it imports of this package.

    No other file is looked at: what a result depends on is what was loaded for it.
    """
    text = file.read_bytes()
    beside = sorted({path for node in ast.parse(text).body for path in _imported(node)})
    return hashlib.sha256(text + b"".join(_sources(path) for path in beside)).digest()


def _imported(node: ast.stmt) -> list[Path]:
    """Returns the files of this package that a statement imports: a module, or modules of a package."""
    if not isinstance(node, ast.ImportFrom) or node.module is None:
        return []
    inside = f"{node.module}.".removeprefix(f"{_PACKAGE}." if _PACKAGE else "")
    if _PACKAGE and inside == f"{node.module}.":
        return []
    place = _ROOT.joinpath(*inside.strip(".").split("."))
    found = [place.with_suffix(".py"), *(place / f"{name.name}.py" for name in node.names)]
    return [path for path in found if path.is_file() and path != Path(__file__)]


def _compiled(function: Callable[..., Any], inline: Literal["never", "always"]) -> Any:
    try:
        made: Any = njit(cache=True, nogil=True, error_model="numpy", inline=inline)(function)
    except RuntimeError:  # numba found no place for its cache
        return njit(nogil=True, error_model="numpy", inline=inline)(function)
    # numba looks at the function's own file alone, and would keep what an older callee was compiled into
    made._cache._cache_file._source_stamp = _sources(Path(function.__code__.co_filename)).hex()
    made._cache.save_overload = partial(_save, Path(made._cache.cache_path), made._cache.save_overload)
    return made


def _save(folder: Path, save: Callable[[Any, Any], None], signature: Any, code: Any) -> None:
    """Keep compiled code, one process at a time: two that save for different types would give both one file.

    Where it cannot be kept, on a full disk for instance, it is compiled again the next time.
    """
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / ".lock").open("ab") as lock:
            if fcntl is not None:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(lock, fcntl.LOCK_EX)
            save(signature, code)


def jit(function: _F) -> _F:
    """Compile on first call; cached on disk when some cache directory is writable.

    Divisions by zero give an infinity, as in IEEE 754. No fast-math and no threads: the compiler may neither
    reorder nor fuse ``+ - * /`` and ``sqrt`` of doubles, whose results IEEE 754 gives to the last bit.
    """
    return cast(_F, _compiled(function, "never"))


def inlined(function: _F) -> _F:
    """Compile like ``jit``, into each caller."""
    return cast(_F, _compiled(function, "always"))
