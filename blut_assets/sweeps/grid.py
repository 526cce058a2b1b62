"""Makes the trials of a sweep of its axes: all combinations, and what a file adds or leaves out.

::

    axes:                        # each with each
      lr: [1e-5, 1e-4]
      seed: range(1, 4)          # a text is read as on the command line
    zip:                         # these advance together
      - {epochs: [10, 20], warmup: [1, 2]}
    exclude:                     # what has all of these values
      - {lr: 1e-4, seed: 3}
    include:                     # beside the combinations
      - {lr: 1e-3, seed: 7}
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_assets.sweeps.axes import MOST, Axis, AxisError, Matching, distinct, read_values, same, written
from blut_resources.files.documents import read_yaml
from blut_resources.text import meant

PARTS = ("axes", "zip", "include", "exclude")
FLOAT = re.compile(r"[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+")
"""A number for everybody but YAML 1.1."""
MOST_BYTES = 1 << 20
"""Bytes of a sweep file."""
Overrides = Mapping[str, Any]
"""By the dotted name of an argument, the value that a trial has instead."""


@dataclass(frozen=True)
class Grid:
    """Holds what a sweep is made of.

    Attributes:
        axes: each with each.
        zipped: groups of axes of equal length that advance together.
    """

    axes: tuple[Axis, ...] = ()
    zipped: tuple[tuple[Axis, ...], ...] = ()
    include: tuple[Overrides, ...] = ()
    exclude: tuple[Overrides, ...] = ()

    def arguments(self) -> list[str]:
        """Returns the arguments that differ, or may."""
        found = [axis.key for group in ((self.axes, *self.zipped)) for axis in group]
        return [*dict.fromkeys([*found, *(key for one in self.include for key in one)])]

    def trials(self) -> list[dict[str, Any]]:
        """Returns the overrides of each trial, in order: the last axis is the first to advance.

        Raises:
            AxisError: two axes are of the same argument, there are too many trials or none, or what is
                left out is not there.
        """
        self._refuse_overlap()
        groups = [(axis,) for axis in self.axes] + [*self.zipped]
        count = math.prod(len(group[0].values) for group in groups) if groups else 0
        if count > MOST:
            raise AxisError(f"the axes make {count} trials; a sweep has at most {MOST}")
        steps = [
            [
                dict(zip((axis.key for axis in group), values, strict=True))
                for values in zip(*(a.values for a in group), strict=True)
            ]
            for group in groups
        ]
        product = [_merged(parts) for parts in itertools.product(*steps)] if groups else []
        left = [one for one in product if not any(_has(one, out) for out in self.exclude)]
        for out in self.exclude:
            if not any(_has(one, out) for one in product):
                raise AxisError(f"exclude: no trial has {words_of(out)}")
        found: dict[str, dict[str, Any]] = {}
        for one in [*left, *map(dict, self.include)]:
            found.setdefault(name_of(one), one)
        if not found:
            raise AxisError("no trial is left: everything is excluded" if product else "no axis is given")
        if len(found) > MOST:
            raise AxisError(f"{len(found)} trials; a sweep has at most {MOST}")
        return [*found.values()]

    def _refuse_overlap(self) -> None:
        keys = [axis.key for group in (self.axes, *self.zipped) for axis in group]
        for one, other in itertools.combinations(keys, 2):
            if one == other:
                raise AxisError(f"{one} is an axis twice: give its values once, with commas between them")
            if f"{other}.".startswith(f"{one}.") or f"{one}.".startswith(f"{other}."):
                raise AxisError(f"{one} and {other} are axes, and one is inside the other")

    def and_also(self, other: "Grid") -> "Grid":
        """Returns what both say together."""
        return Grid(
            (*self.axes, *other.axes),
            (*self.zipped, *other.zipped),
            (*self.include, *other.include),
            (*self.exclude, *other.exclude),
        )


def words_of(overrides: Overrides) -> str:
    """Returns overrides in a line, such as ``lr=1e-05 seed=3``."""
    return " ".join(f"{key}={written(value)}" for key, value in overrides.items())


def name_of(overrides: Overrides) -> str:
    """Returns a text that two trials share if their overrides are the same."""
    return " ".join(f"{key}={same(value)}" for key, value in sorted(overrides.items()))


def read_grid(path: Path, matching: Matching) -> Grid:
    """Returns what a file says.

    Raises:
        AxisError: it cannot be read, has other parts, or one of them is not what it is to be.
        OSError: it cannot be opened.
    """
    with path.open("rb") as file:
        try:
            said = read_yaml(file.read(MOST_BYTES + 1), str(path), MOST_BYTES)
        except ValueError as error:
            raise AxisError(str(error)) from None
    if not isinstance(said, dict) or not said:
        raise AxisError(f"{path}: expected {', '.join(PARTS)}, found {type(said).__name__}")
    if unknown := next((str(name) for name in said if name not in PARTS), None):
        raise AxisError(f"{path}: {unknown}{meant(unknown, PARTS)}: a sweep file has {', '.join(PARTS)}")
    try:
        return Grid(
            axes=_axes(said.get("axes") or {}, "axes", matching),
            zipped=tuple(_zipped(one, matching) for one in _list(said.get("zip"), "zip")),
            include=tuple(_overrides(one, "include") for one in _list(said.get("include"), "include")),
            exclude=tuple(_overrides(one, "exclude") for one in _list(said.get("exclude"), "exclude")),
        )
    except AxisError as error:
        raise AxisError(f"{path}: {error}") from None


def _axes(said: Any, where: str, matching: Matching) -> tuple[Axis, ...]:
    if not isinstance(said, dict):
        raise AxisError(f"{where}: expected names of arguments with their values")
    return tuple(Axis(str(key), _of_file(str(key), values, matching)) for key, values in said.items())


def _of_file(key: str, values: Any, matching: Matching) -> tuple[Any, ...]:
    if isinstance(values, str):
        return read_values(key, values, matching)
    found = distinct([_number(one) for one in values]) if isinstance(values, list) else (values,)
    if not found:
        raise AxisError(f"{key}: has no values")
    return found


def _zipped(said: Any, matching: Matching) -> tuple[Axis, ...]:
    if not isinstance(said, dict) or not said:
        raise AxisError("zip: expected groups of arguments, such as - {lr: [1, 2], epochs: [10, 20]}")
    # a value may come twice here, beside different ones of the others
    group = tuple(
        Axis(
            str(key),
            tuple(map(_number, values)) if isinstance(values, list) else _of_file(str(key), values, matching),
        )
        for key, values in said.items()
    )
    lengths = {axis.key: len(axis.values) for axis in group}
    if len({*lengths.values()}) > 1 or 0 in lengths.values():
        words = ", ".join(f"{key} has {count}" for key, count in lengths.items())
        raise AxisError(f"zip: what advances together has equally many values: {words}")
    return group


def _overrides(said: Any, where: str) -> Overrides:
    if not isinstance(said, dict) or not said:
        raise AxisError(f"{where}: expected arguments with one value each, such as - {{lr: 1e-3, seed: 7}}")
    return {str(key): _number(value) for key, value in said.items()}


def _list(said: Any, where: str) -> list[Any]:
    if said is None:
        return []
    if not isinstance(said, list):
        raise AxisError(f"{where}: expected a list")
    return said


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, str) and FLOAT.fullmatch(value) else value


def _merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {key: value for part in parts for key, value in part.items()}


def _has(one: Overrides, wanted: Overrides) -> bool:
    return all(key in one and same(one[key]) == same(value) for key, value in wanted.items())
