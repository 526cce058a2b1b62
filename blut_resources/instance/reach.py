"""Says whether a module's code loads the definitions of Blut, by reading it: importing it may do anything."""

import ast
import enum
import itertools
import sys
from collections.abc import Collection, Iterator
from pathlib import Path

PACKAGE = "blut_assets"
BUILD = "build_definitions"
FILES = 300
"""Files of a package that are read, at most."""


class Reach(enum.IntEnum):
    """Says how surely a code location holds a job, the surest first."""

    NAMED = 0
    ALL = 1
    UNKNOWN = 2
    NO = 3


def reach(module: str, directory: Path | None, names: Collection[str]) -> Reach:
    """Returns whether the code of a location asks for the definitions of one of these names.

    Args:
        module: the module or package, or the path of a file.
        directory: where it is looked for first.
        names: of a job, and of its cookbook; ``build_definitions(only=[...])`` says which it wants. None:
            whether it loads any.
    """
    places = [
        directory or Path(),
        *((directory or Path()) / folder for folder in ("src",)),
        *map(Path, sys.path),
    ]
    files = next((found for place in places if (found := list(_files(place, module)))), None)
    if files is None:
        return Reach.UNKNOWN
    return min((_of(path, names) for path in files), default=Reach.NO)


def _files(place: Path, module: str) -> Iterator[Path]:
    if module.endswith(".py"):
        yield from [place / module] if (place / module).is_file() else []
        return
    path = place.joinpath(*module.split("."))
    if path.with_suffix(".py").is_file():
        yield path.with_suffix(".py")
        # `definitions.py` of a project loads the folder beside it
        path = path.parent / "defs"
    sources = (one for kind in ("*.py", "*.yaml") for one in path.rglob(kind)) if path.is_dir() else ()
    yield from itertools.islice(sources, FILES)


def _of(path: Path, names: Collection[str]) -> Reach:
    try:
        text = path.read_text()
    except (OSError, ValueError):
        return Reach.NO
    if PACKAGE not in text:
        return Reach.NO
    if not names:
        return Reach.ALL
    try:
        wanted = list(_wanted(ast.parse(text))) if path.suffix == ".py" else []
    except (SyntaxError, ValueError):
        return Reach.UNKNOWN
    if any(only is None for only in wanted) or not wanted:
        return Reach.ALL
    chosen = {name for only in wanted for name in only or ()}
    return Reach.NAMED if chosen.intersection(names) else Reach.NO


def _wanted(tree: ast.AST) -> Iterator[set[str] | None]:
    """Yields the names that each call of `build_definitions` asks for; None for all, and what is computed."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called == BUILD:
            only = next((word.value for word in node.keywords if word.arg == "only"), None)
            try:
                yield None if only is None else set(ast.literal_eval(only))
            except (ValueError, TypeError):
                yield None
