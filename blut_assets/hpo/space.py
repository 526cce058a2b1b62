"""Reads what is searched: an argument, and the values among which the search may choose.

::

    lr=loguniform(1e-5,1e-2)     a number, each order of magnitude as likely as another
    dropout=uniform(0,0.5)       a number; uniform(0,0.5,0.1) in steps
    layers=int(2,8)              a whole number, both ends included; int(2,8,2) in steps
    width=logint(16,512)         a whole number, each order of magnitude as likely
    preset=choice(fast,medium)   one of these, as the values of a sweep are written
"""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from blut_assets.sweeps.axes import MOST, AxisError, read_values, same

CALL = re.compile(r"(loguniform|uniform|logint|int|choice)\((.*)\)", re.DOTALL)
LARGEST = 2**53
"""Whole numbers that all can be told apart where they are kept as floats."""
HINT = (
    "write KEY=loguniform(LOW,HIGH), KEY=uniform(LOW,HIGH), KEY=int(LOW,HIGH), KEY=logint(LOW,HIGH) or"
    " KEY=choice(VALUE,VALUE)"
)


@dataclass(frozen=True)
class Dimension:
    """Holds one argument, by its dotted name, and what it may be.

    Attributes:
        kind: ``float``, ``int`` or ``choice``.
        low, high: both included.
        step: between two values; None for any number between.
        log: whether each order of magnitude is as likely as another.
        choices: of a choice.
    """

    key: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    choices: tuple[Any, ...] = ()

    def ends(self) -> tuple[Any, ...]:
        """Returns the values that all others lie between, or all of a choice."""
        if self.kind == "choice":
            return self.choices
        return (int(self.low), int(self.high)) if self.kind == "int" else (self.low, self.high)

    def values(self) -> tuple[Any, ...]:
        """Returns all values.

        Raises:
            AxisError: there are infinitely many, or too many.
        """
        if self.kind == "choice":
            return self.choices
        step = self.step or (1 if self.kind == "int" and not self.log else None)
        if step is None:
            raise AxisError(
                f"{self.key}: a grid tries every value: give a choice, or steps, such as int(2,8,2)"
            )
        count = round((self.high - self.low) / step) + 1
        if count > MOST:
            raise AxisError(f"{self.key}: {count} values; an axis has at most {MOST}")
        return tuple(self.stepped(self.low + number * step) for number in range(count))

    def stepped(self, value: float) -> int | float:
        """Returns the value nearest to a number, in steps counted from the lower end: no sum drifts."""
        if self.step:
            low, step = Decimal(str(self.low)), Decimal(str(self.step))
            value = float(low + round((Decimal(str(value)) - low) / step) * step)
        return int(value) if self.kind == "int" else value


def read_dimension(text: str) -> Dimension:
    """Returns what ``KEY=SPACE`` says.

    Raises:
        AxisError: it says none.
    """
    key, equals, said = text.partition("=")
    call = CALL.fullmatch(said.strip())
    if not equals or not all(key.split(".")) or key != key.strip() or not call:
        raise AxisError(f"{text}: {HINT}")
    kind, inside = call[1], call[2]
    if kind == "choice":
        choices = read_values(key, f"choice({inside})", lambda *_: ())
        if len(choices) < 2:
            raise AxisError(f"{text}: a choice needs two values; one value is given by --set")
        return Dimension(key, "choice", choices=choices)
    return _numeric(text, key, kind, inside)


def _numeric(text: str, key: str, kind: str, inside: str) -> Dimension:
    whole, log = kind.endswith("int"), kind.startswith("log")
    try:
        numbers = [float(part) for part in inside.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) not in ((2,) if log else (2, 3)) or not all(map(math.isfinite, numbers)):
        more = "" if log else f", or {kind}(LOW,HIGH,STEP)"
        raise AxisError(f"{text}: write {kind}(LOW,HIGH){more} with numbers")
    low, high, *steps = numbers
    if low >= high:
        raise AxisError(f"{text}: {low:g} is not below {high:g}; the lower end comes first")
    if log and low <= 0:
        raise AxisError(f"{text}: orders of magnitude begin above 0")
    if whole and any(one != int(one) for one in numbers):
        raise AxisError(f"{text}: whole numbers only; {kind.replace('logint', 'loguniform')} takes others")
    if steps and not 0 < steps[0] <= high - low:
        raise AxisError(f"{text}: a step lies above 0, and within {high - low:g}")
    if whole and max(abs(low), abs(high)) > LARGEST:
        raise AxisError(
            f"{text}: whole numbers up to {LARGEST}; write {(log and 'log') or ''}uniform for larger ones"
        )
    if steps:  # what is not a whole number of steps away is never tried
        low_, step = Decimal(str(low)), Decimal(str(steps[0]))
        high = float(low_ + (Decimal(str(high)) - low_) // step * step)
    return Dimension(key, "int" if whole else "float", low, high, steps[0] if steps else None, log)


def refuse_overlap(dimensions: Sequence[Dimension]) -> None:
    """Refuse to search an argument twice, or one inside another.

    Raises:
        AxisError: two are so.
    """
    for one, other in itertools.combinations([dimension.key for dimension in dimensions], 2):
        if f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}."):
            raise AxisError(f"{one} and {other} are both searched: each argument once")


def grid_of(dimensions: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Returns every combination of values, the last dimension the first to advance.

    Raises:
        AxisError: there are infinitely many, or too many.
    """
    values = [one.values() for one in dimensions]
    if (count := math.prod(map(len, values))) > MOST:
        raise AxisError(f"{count} combinations; a grid has at most {MOST}")
    keys = [one.key for one in dimensions]
    return [dict(zip(keys, each, strict=True)) for each in itertools.product(*values)]


def within(dimensions: Sequence[Dimension], values: Mapping[str, Any]) -> bool:
    """Says whether values are of these dimensions: a search that was changed does not learn from others."""
    if {one.key for one in dimensions} != values.keys():
        return False
    return all(_holds(one, values[one.key]) for one in dimensions)


def _holds(dimension: Dimension, value: Any) -> bool:
    if dimension.kind == "choice":
        return any(same(value) == same(one) for one in dimension.choices)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and dimension.low <= value <= dimension.high + 1e-12
