"""Says in a line why a cookbook could not be loaded, and where: in its own source, or in that of another."""

import importlib.util
import inspect
import re
import traceback
from collections.abc import Iterable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

from blut_resources.text import one_line

PLACED = re.compile(r":\d+\)$")


def place_of(what: object) -> str:
    """Returns the place of a function's source in brackets; empty where it is not known."""
    code: Any = getattr(inspect.unwrap(what) if callable(what) else what, "__code__", None)
    return f" ({code.co_filename}:{code.co_firstlineno})" if code else ""


def placed(faults: str, place: str) -> str:
    """Returns faults, a line each, with a place for those that have none."""
    return "\n".join(line if PLACED.search(line) else line + place for line in faults.splitlines())


def told(error: BaseException) -> str:
    """Returns an error with its causes in one line."""
    words, cause = [], error
    while cause is not None:
        words.append(f"{type(cause).__name__}: {_said(cause)}")
        cause = cause.__cause__
    return one_line(" ".join(": ".join(words).split()))


def _said(error: BaseException) -> str:
    """Returns the words of an error, which is third-party code too."""
    try:
        return str(error) or "it says no more"
    except Exception as another:
        return f"its words cannot be had ({type(another).__name__})"


def told_of(error: BaseException, point: EntryPoint, others: Iterable[EntryPoint]) -> str:
    """Returns an error in one line, with the place in the source of the cookbook that raised it.

    Args:
        others: cookbooks that could not be loaded either, one of which may have raised it.
    """
    frames = traceback.extract_tb(error.__traceback__)
    files = [(frame.filename, frame.lineno) for frame in frames]
    if isinstance(error, SyntaxError) and error.filename:
        files.append((error.filename, error.lineno))
    last = files[-1][0]
    own = [place for place in files if _is_of(point, place[0])]
    of = [one.name for one in others if _is_of(one, last) and not _is_of(point, last)]
    cause = f", raised by the cookbook {of[0]}, which is left out and which it imports" if of else ""
    return told(error) + cause + (f" ({own[-1][0]}:{own[-1][1]})" if own else "")


def _is_of(point: EntryPoint, file: str) -> bool:
    """Says whether a file is of the package, or is the module, that the entry point leads to."""
    if not EntryPoint.pattern.match(point.value):
        return False
    top, *inner = point.module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return False
    if spec is None:
        return False
    places = [Path(place) for place in spec.submodule_search_locations or ()]
    below = [place.joinpath(*inner) for place in places if place.joinpath(*inner).is_dir()]
    modules = [Path(spec.origin)] if spec.origin and not places else []
    return any(Path(file).is_relative_to(place) for place in [*(below or places), *modules])
