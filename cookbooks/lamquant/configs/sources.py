"""Says where recordings lie: directories of EDF files, and of archives that were made elsewhere."""

import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator

from blut_assets.paths import AsPath

Kind = Literal["edf", "lma"]
SAMPLE, SYNTHETIC = "sample:", "synthetic:"
BUILT = (SAMPLE, SYNTHETIC)
"""How a name begins that is no directory: its recordings are made on the first run."""
LONGEST_NAME = 64
NAME = re.compile(r"[^\W_]([.\- ]|_(?!_)|[^\W_])*(?<![.\- _])")
"""The name of a root begins the names of its recordings, and two underscores end it there."""


def _form(value: Any) -> Any:
    """Returns a list of directories, or an object of their names, with all of them text."""
    paths = value.values() if isinstance(value, Mapping) else value
    if isinstance(value, str) or not isinstance(paths, Iterable):
        raise ValueError('give a list of directories, or an object such as {"tuh": "/data/tuh"}')
    if not all(isinstance(path, str) and path for path in paths):
        raise ValueError("give each directory as text that is not empty")
    return value


EdfRoots = Annotated[Any, AfterValidator(_form), AsPath(BUILT)]
LmaRoots = Annotated[Any, AfterValidator(_form), AsPath()]


@dataclass(frozen=True)
class Root:
    """Names a directory of recordings.

    Attributes:
        field: the setting that it is from.
        name: keeps equal patient codes of two roots apart; empty for an only directory of EDF files.
        path: absolute, or a name of a sample or of synthetic recordings.
    """

    field: str
    kind: Kind
    name: str
    path: str


def roots_of(edf_root: str, edf_roots: Any, lma_roots: Any) -> list[Root]:
    """Returns every root that the settings name.

    Raises:
        ValueError: there is none, two have one name, or one directory is named twice.
    """
    found = [
        *([Root("edf_root", "edf", _last(edf_root), edf_root)] if edf_root else []),
        *_named("edf_roots", "edf", edf_roots),
        *_named("lma_roots", "lma", lma_roots),
    ]
    if not found:
        raise ValueError(
            "required argument 'edf_root' is missing: give a directory with EDF/BDF files, or edf_roots or"
            " lma_roots"
        )
    _refuse_equal(found)
    if len(found) == 1 and found[0].kind == "edf":
        return [Root(found[0].field, "edf", "", found[0].path)]
    return found


def _named(field: str, kind: Kind, value: Any) -> Iterator[Root]:
    pairs = value.items() if isinstance(value, Mapping) else ((_last(path), path) for path in value)
    for name, path in pairs:
        if not NAME.fullmatch(name) or len(name.encode()) > LONGEST_NAME:
            raise ValueError(
                f"{field}: {name!r} names no root: 1 to {LONGEST_NAME} bytes of letters, digits, '.', '-',"
                f" ' ' and single '_', letters or digits at both ends; state another, such as"
                f' {{"tuh": "{path}"}}'
            )
        yield Root(field, kind, name, path)


def _last(path: str) -> str:
    return path.partition(":")[0] if path.startswith(BUILT) else Path(path).name


def _refuse_equal(roots: list[Root]) -> None:
    by_path: dict[str, list[Root]] = defaultdict(list)
    by_name: dict[str, list[Root]] = defaultdict(list)
    for root in roots:
        by_path[root.path].append(root)
        by_name[root.name.casefold()].append(root)
    for path, same in by_path.items():
        if len(same) > 1:
            raise ValueError(f"{' and '.join(root.field for root in same)}: both name {path}: give it once")
    for inner, outer in itertools.permutations(roots, 2):
        if inner.kind == outer.kind and Path(outer.path) in Path(inner.path).parents:
            raise ValueError(
                f"{inner.field}: {inner.path} lies in {outer.path}, which is given too: its files would count"
                " twice; give one of them"
            )
    for same in by_name.values():
        if len(same) > 1:
            paths = " and ".join(root.path for root in same)
            stated = ", ".join(f'"{root.name}-{n}": "{root.path}"' for n, root in enumerate(same, 1))
            raise ValueError(
                f"{same[0].field}: {paths} are both called {same[0].name!r}, by their last directory: state"
                f" their names, such as {{{stated}}}"
            )
