"""Puts the values of an argument, or of a metric, on a line from 0 to 1, with what is written beside it."""

import json
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

from blut_assets.sweeps.axes import same, written

DECADES = 1.5
"""A span of positive numbers from which on they are placed by their logarithm."""
MOST_WORDS, MOST_NUMBERS = 14, 7
"""Marks along a scale of words; and numbers that are marked each, instead of both ends and the middle."""


class Scale(NamedTuple):
    """Holds where values lie on a line, and the marks along it.

    Attributes:
        name: of the argument or the metric.
        logarithmic: whether equal steps are equal factors.
        places: from 0 to 1, by `same` of the value.
        marks: places with what is written there.
    """

    name: str
    logarithmic: bool
    places: dict[str, float]
    marks: Sequence[tuple[float, str]]

    def place(self, value: Any) -> float | None:
        """Returns where a value lies; None for one that is none of them."""
        return self.places.get(same(value))


def scale_of(name: str, values: Sequence[Any]) -> Scale:
    """Returns the scale of some values, of which there is at least one: numbers by their size, all else in
    the order in which they come, each as far from the next.
    """
    distinct = {same(value): value for value in values}
    if all(is_number(value) for value in distinct.values()):
        return _of_numbers(name, distinct)
    count = len(distinct)
    places = {key: (n / (count - 1) if count > 1 else 0.5) for n, key in enumerate(distinct)}
    step = math.ceil(count / MOST_WORDS)
    words = [*distinct.items()][::step]
    return Scale(name, False, places, [(places[key], _word(value)) for key, value in words])


def is_number(value: Any) -> bool:
    """Says whether a value is a number that can be placed."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _of_numbers(name: str, distinct: dict[str, Any]) -> Scale:
    low, high = min(distinct.values()), max(distinct.values())
    logarithmic = low > 0 and math.log10(high / low) >= DECADES

    def of(value: float) -> float:
        if high == low:
            return 0.5
        if logarithmic:
            return math.log(value / low) / math.log(high / low)
        return (value - low) / (high - low)

    places = {key: of(value) for key, value in distinct.items()}
    middle = math.sqrt(low * high) if logarithmic else (low + high) / 2
    marked = sorted(distinct.values()) if len(distinct) <= MOST_NUMBERS else [low, middle, high]
    return Scale(name, logarithmic, places, [(of(value), f"{value:.4g}") for value in dict.fromkeys(marked)])


def _word(value: Any) -> str:
    text = written(value) if not isinstance(value, dict | list) else json.dumps(value, default=str)
    return text if len(text) <= 18 else f"{text[:8]}…{text[-9:]}"
