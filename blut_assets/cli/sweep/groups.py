"""Lets a sweep go over the options of groups of settings: each stands for the args that its file says."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from blut_assets.layers.form import holds_object
from blut_assets.layers.places import options_of
from blut_assets.recipes import Recipe
from blut_assets.sweeps.axes import AxisError, same
from blut_assets.sweeps.grid import Grid
from blut_assets.terminal.output import wrong

Values = Mapping[str, Any]


def is_group(recipe: Recipe, key: str) -> bool:
    """Says whether an axis may be a group of settings: no argument is called so, or an object."""
    own = key not in recipe.args.model_fields or holds_object(recipe.args, (key,))
    return own and bool(options_of(recipe, key))


def with_options(
    recipe: Recipe, values: Values, grid: Grid, resolved: Callable[[Sequence[str]], Values]
) -> tuple[Values, Grid]:
    """Returns what trials share, and a grid of args alone; both as they are where no axis is a group.

    What is stronger than a file of settings, such as ``--set``, is so here too.

    Args:
        resolved: of what ``--config`` would choose, what all layers say then.
    """
    found = [key for key in grid.arguments() if is_group(recipe, key)]
    if not found:
        return values, grid
    try:
        trials = grid.trials()
    except AxisError as error:
        wrong(f"--sweep: {error}")
    groups = [key for key in found if all(isinstance(one.get(key, ""), str) for one in trials)]
    if not groups:
        return values, grid
    words = [tuple(f"{key}={one[key]}" for key in groups if key in one) for one in trials]
    said = {chosen: dict(_flat(resolved(chosen))) for chosen in dict.fromkeys(words)}
    first, *others = said.values()
    shared = {
        key: value
        for key, value in first.items()
        if all(key in one and same(one[key]) == same(value) for one in others)
    }
    made = [
        {key: value for key, value in said[chosen].items() if key not in shared}
        | {key: value for key, value in one.items() if key not in groups}
        for one, chosen in zip(trials, words, strict=True)
    ]
    if not all(made):
        wrong(f"--sweep {groups[0]}: its options say the same, so there is nothing to compare")
    return _nested(shared), Grid(include=tuple(made))


def _flat(values: Values, above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _nested(flat: Values) -> dict[str, Any]:
    whole: dict[str, Any] = {}
    for path, value in flat.items():
        *outer, last = path.split(".")
        inner = whole
        for key in outer:
            inner = inner.setdefault(key, {})
        inner[last] = value
    return whole
