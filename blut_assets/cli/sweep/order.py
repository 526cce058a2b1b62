"""Makes a sweep of what stands on the command line: its trials, each with args that its recipe takes."""

import fnmatch
import glob
import json
import os
from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import dagster as dg

from blut_assets.cli.run.arguments import refuse_past, with_data
from blut_assets.cli.sweep.groups import is_group
from blut_assets.datasets import Datasets
from blut_assets.layers.places import options_of
from blut_assets.paths import DATA, typed_in
from blut_assets.recipes import ArgsError, Recipe, RecipeArgs
from blut_assets.recipes.args import equal_configs_once
from blut_assets.stages.spec import COMMON, StageConfig
from blut_assets.sweeps.axes import AxisError, read_axis
from blut_assets.sweeps.grid import Grid, Overrides, read_grid, words_of
from blut_assets.sweeps.record import Trial
from blut_assets.terminal.output import wrong
from blut_resources.files.digest import digest_bytes
from blut_resources.files.here import here
from blut_resources.instance.home import find_home
from blut_resources.text import meant

ID = 16
"""Characters of the id of a sweep."""
TOLD = 5
"""Trials whose args make no sense that are named at most."""


@dataclass(frozen=True)
class AskedTrial:
    """Holds what one trial is to run: its args, and the configs of its assets by key.

    ``known_as`` is the key by which a record knows it already.
    """

    overrides: Overrides
    partition: str | None
    args: RecipeArgs
    configs: Mapping[dg.AssetKey, StageConfig]
    known_as: str = ""

    @cached_property
    def key(self) -> str:
        """Returns a name that depends on the args and the partition, however they were given.

        What changes no result, such as a limit of memory, does not count unless the sweep is over it.
        """
        if self.known_as:
            return self.known_as
        values = self.args.model_dump(mode="json", exclude_defaults=True, exclude={*COMMON})
        common = {key: value for key, value in self.overrides.items() if key.split(".")[0] in COMMON}
        text = json.dumps([self.partition, values, common], sort_keys=True, default=str)
        return digest_bytes(text.encode())[:ID]


@dataclass(frozen=True)
class SweepOrder:
    """Holds what a sweep is to run: its recipe, the args that all trials share, and the trials in order.

    Attributes:
        cwd: from which relative paths in these args count.
    """

    recipe: Recipe
    values: Mapping[str, Any]
    axes: Sequence[str]
    trials: Sequence[AskedTrial]
    cwd: str

    @property
    def id(self) -> str:
        """Returns a name that depends on the recipe and on what its trials are."""
        keys = sorted(one.key for one in self.trials)
        return digest_bytes(json.dumps([self.recipe.name, keys]).encode())[:ID]


def ordered(
    recipe: Recipe,
    values: Mapping[str, Any],
    grid: Grid,
    partitions: Sequence[str | None] = (None,),
    axes: Sequence[str] = (),
    option: str = "--sweep",
) -> SweepOrder:
    """Returns the sweep of a grid; ends the command with status 2 where a trial's args make no sense.

    Args:
        values: what the trials share, not validated yet.
        partitions: each trial is one for each of these.
        axes: what was asked for, in the words of whoever did.
        option: by which the arguments are named that differ.
    """
    _refuse_unknown(recipe, grid.arguments(), option)
    try:
        overrides = grid.trials()
    except AxisError as error:
        wrong(f"{option}: {error}")
    trials: list[AskedTrial] = []
    problems: dict[str, str] = {}
    with equal_configs_once():
        for one in overrides:
            try:
                args, each = recipe.configured(with_data(with_overrides(values, one)), partitions)
                refuse_past(recipe, args)
                trials += [
                    AskedTrial(one, key, args, configs) for key, configs in zip(partitions, each, strict=True)
                ]
            except ArgsError as error:
                problems.setdefault(str(error), words_of(one))
    if problems:
        lines = [f"trial {words}: {told}" for told, words in problems.items()]
        more = [f"and {len(lines) - TOLD} more"] if len(lines) > TOLD else []
        wrong("\n".join([*lines[:TOLD], *more]))
    different = [*{one.key: one for one in reversed(trials)}.values()][::-1]
    return SweepOrder(recipe, values, axes, different, str(here()))


def ordered_before(recipe: Recipe, head: Mapping[str, Any], trials: Sequence[Trial]) -> SweepOrder:
    """Returns the sweep that a record tells of; ends the command with status 2 where the recipe does not take
    the args any more.
    """
    found: list[AskedTrial] = []
    with typed_in(Path(head["cwd"])), equal_configs_once():
        for one in trials:
            try:
                values = with_data(with_overrides(head["values"], one.overrides))
                args, (configs,) = recipe.configured(values, [one.partition])
            except ArgsError as error:
                wrong(f"trial {one.number} ({words_of(one.overrides)}): {error}")
            # a recipe whose defaults have changed since would give another key
            found.append(AskedTrial(one.overrides, one.partition, args, configs, one.key))
    return SweepOrder(recipe, head["values"], head["axes"], found, head["cwd"])


def metric_of(recipe: Recipe) -> dict[str, str] | None:
    """Returns by what the trials of a recipe are ranked, as a record says it; None where by nothing."""
    metric = recipe.metric
    return {"fact": metric.fact, "best": metric.best, "only_if": metric.only_if} if metric else None


def grid_given(recipe: Recipe, sweep: Sequence[str], file: Path | None, sets: Sequence[str]) -> Grid:
    """Returns what ``--sweep`` and ``--sweep-file`` say; else ends the command with status 2."""
    matching = _Matching(recipe)
    fixed = {text.partition("=")[0].lstrip("+") for text in sets}
    try:
        grid = Grid(tuple(read_axis(text, matching) for text in sweep))
        if file is not None:
            grid = grid.and_also(read_grid(file, matching))
    except AxisError as error:
        wrong(f"--sweep {error}")
    except OSError as error:
        wrong(f"--sweep-file {file}: {error.strerror or error}")
    if both := next((key for key in grid.arguments() if key in fixed), None):
        wrong(f"--set {both} and --sweep {both}: it has one value, or several")
    return grid


def with_overrides(values: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """Returns values with those of a trial in their place; a dotted name is one inside another."""
    found = deepcopy(dict(values))
    for key, value in overrides.items():
        *outer, last = key.split(".")
        inner = found
        for name in outer:
            there = inner.setdefault(name, {})
            if not isinstance(there, dict):
                wrong(f"--sweep {key}: {name!r} is no object, so nothing can be set inside it")
            inner = there
        inner[last] = value
    return found


def _refuse_unknown(recipe: Recipe, keys: Sequence[str], option: str) -> None:
    fields = recipe.args.model_fields
    for key in keys:
        name = key.split(".")[0]
        if name not in fields:
            known = ", ".join(fields)
            wrong(
                f"{option} {key}: {recipe.name} has no argument {name!r}{meant(name, fields)}; known: {known}"
            )


class _Matching:
    """Finds what an argument may be: one of its words, an option of the group of settings of its name, a
    dataset, or else a file.
    """

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe

    def __call__(self, key: str, pattern: str) -> Sequence[Any]:
        field = self._recipe.args.model_fields.get(key)
        words = _words(field.annotation) if field else []
        if words:
            found = [word for word in words if fnmatch.fnmatchcase(str(word), pattern)]
            if not found:
                raise AxisError(f"nothing matches; there are {', '.join(map(str, words))}")
            return found
        if is_group(self._recipe, key):
            return fnmatch.filter(options_of(self._recipe, key), pattern)
        if pattern.startswith(DATA):
            names = sorted(one.name for one in Datasets(find_home()).all())
            return [DATA + name for name in names if fnmatch.fnmatchcase(name, pattern.removeprefix(DATA))]
        return sorted(glob.glob(os.path.expanduser(pattern)))  # noqa: PTH111, PTH207


def _words(annotation: Any) -> list[Any]:
    if annotation is bool:
        return [True, False]
    if get_origin(annotation) is Literal:
        return [*get_args(annotation)]
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [one.value for one in annotation]
    return [word for one in get_args(annotation) for word in _words(one)]
