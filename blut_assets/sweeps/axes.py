"""Reads one axis of a sweep: an argument, and the values that it takes.

::

    lr=1e-5,1e-4            values, each as --set takes it: JSON, else text
    path=a\\,b.edf,"c,d"     a comma that belongs to a value stands after a backslash, or in quotes
    seed=range(1,10,2)      numbers from 1, each 2 more, without 10
    base=choice("a,b","c")  values, where one of them would be read as one of these forms
    preset=glob(fast*)      of what the argument may be, or of files, whatever matches
    preset=glob([f*,s*],exclude=*t)    what matches one of several, but not another pattern
"""

import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from blut_resources.files.documents import read_json
from blut_resources.text import one_line

MOST = 10_000
"""Trials that one sweep has at most, and values that one axis has."""
CALL = re.compile(r"(range|choice|glob)\((.*)\)", re.DOTALL)
FORM = re.compile(r"(range|choice|glob)\(")
PLACEHOLDER = re.compile(r"[{\[]\w*[}\]]")
GLOB = "write glob(PATTERN), glob([PATTERN,PATTERN]) or glob(PATTERN,exclude=PATTERN)"
PART = re.compile(r"""(?:\\.|\[[^\]]*\]|"[^"]*"|'[^']*'|[^,\["'\\])+""")
HINT = "write KEY=VALUE,VALUE, KEY=range(START,STOP), KEY=choice(VALUE,VALUE) or KEY=glob(PATTERN)"
QUOTES = "\"'"
Matching = Callable[[str, str], Sequence[Any]]
"""Returns, of an argument and a pattern, what the argument may be that matches."""


class AxisError(ValueError):
    """Says what is wrong with an axis, in the words in which it was given, and what would do."""


class Axis(NamedTuple):
    """Holds an argument, by its dotted name, and the different values that it takes, in order."""

    key: str
    values: tuple[Any, ...]


def read_axis(text: str, matching: Matching) -> Axis:
    """Returns the axis that ``KEY=VALUES`` says.

    Raises:
        AxisError: it says none.
    """
    key, equals, said = text.partition("=")
    if not equals or not all(key.split(".")) or key != key.strip():
        raise AxisError(f"{text}: {HINT}")
    return Axis(key, read_values(key, said, matching))


def read_values(key: str, said: str, matching: Matching) -> tuple[Any, ...]:
    """Returns the values that one text says, each once.

    Raises:
        AxisError: it says none, or what it says is broken.
    """
    try:
        return distinct(_values(key, said.strip(), matching))
    except AxisError as error:
        raise AxisError(f"{key}={said}: {error}") from None


def distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    """Returns the different ones of some values, in order; ``1`` and ``1.0`` are the same number.

    Raises:
        AxisError: there are more than an axis may have.
    """
    seen: dict[str, Any] = {}
    for value in values:
        seen.setdefault(same(value), value)
    if len(seen) > MOST:
        raise AxisError(f"{len(seen)} values; an axis has at most {MOST}")
    return tuple(seen.values())


def same(value: Any) -> str:
    """Returns a text that two values share if they are the same."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return json.dumps(value, sort_keys=True, default=str)


def written(value: Any) -> str:
    """Returns a value as a person would write it for `--set`, in one line."""
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, default=str)
    return one_line(value)


def _values(key: str, said: str, matching: Matching) -> Sequence[Any]:
    call = CALL.fullmatch(said)
    if not call:
        return [*_listed(said)]
    kind, inside = call[1], call[2].strip()
    if kind == "range":
        return _range(inside)
    if kind == "choice":
        return [*_listed(inside)]
    include, exclude = _patterns(inside)
    out = {same(one) for pattern in exclude for one in _matched(key, pattern, matching)}
    found = [one for pattern in include for one in _matched(key, pattern, matching)]
    if not (left := [one for one in found if same(one) not in out]):
        raise AxisError("everything that matches is excluded")
    return left


def _matched(key: str, pattern: str, matching: Matching) -> Sequence[Any]:
    found = matching(key, pattern)
    if not found:
        raise AxisError(f"nothing matches {pattern}")
    return found


def _patterns(inside: str) -> tuple[list[str], list[str]]:
    """Returns the patterns of a ``glob``, in Hydra's words: those to take, and those to leave out."""
    found: dict[str, list[str]] = {}
    for place, part in enumerate(PART.findall(inside)):
        named = re.match(r"\s*(include|exclude)\s*=", part)
        if not named and place:
            raise AxisError(GLOB)
        name, text = (named[1], part[named.end() :].strip()) if named else ("include", part.strip())
        text = text.replace("\\,", ",") if text[:1] != "[" else text
        several = text[1:-1].split(",") if text[:1] == "[" and text[-1:] == "]" and "," in text else [text]
        patterns = [one.strip().strip(QUOTES) for one in several]
        if name in found or not all(patterns):
            raise AxisError(GLOB)
        found[name] = patterns
    if "include" not in found:
        raise AxisError(GLOB)
    return found["include"], found.get("exclude", [])


def _listed(said: str) -> Iterator[Any]:
    """Yields the values of a list with commas between them."""
    place = 0
    while True:
        value, place = _one(said, place)
        yield value
        if place >= len(said):
            return
        place += 1  # the comma
        if not said[place:].strip():
            raise AxisError('a value is missing after the last comma; write "" for an empty text')


def _one(said: str, place: int) -> tuple[Any, int]:
    """Returns the value that begins at a place, and the place of the comma after it."""
    while place < len(said) and said[place].isspace():
        place += 1
    if place >= len(said) or said[place] == ",":
        raise AxisError('a value is missing; write "" for an empty text')
    first = said[place]
    if first in QUOTES:
        return _quoted(said, place)
    if first in "{[":
        try:
            value, end = json.JSONDecoder().raw_decode(said, place)
            return value, _comma(said, end)
        except ValueError:
            if not PLACEHOLDER.match(said, place):
                raise AxisError(
                    f"what begins with {first} is no JSON: mend it, or put all of it in quotes"
                ) from None
    text, end = _up_to_comma(said, place)
    if FORM.match(text):
        raise AxisError(f"{text.partition('(')[0]}(...) stands alone; if it is text, put it in quotes")
    try:
        return read_json(text, "value"), end
    except ValueError:
        return text, end


def _quoted(said: str, place: int) -> tuple[str, int]:
    mark, text, at = said[place], "", place + 1
    while at < len(said) and said[at] != mark:
        at += said[at] == "\\" and said[at + 1 : at + 2] in (mark, "\\")
        text += said[at : at + 1]
        at += 1
    if at >= len(said):
        raise AxisError(f"the quote {mark} is not closed")
    return text, _comma(said, at + 1)


def _comma(said: str, place: int) -> int:
    """Returns the place of the comma after a value that has ended.

    Raises:
        AxisError: something else follows.
    """
    rest = said[place:]
    if rest.strip() and not rest.lstrip().startswith(","):
        raise AxisError(f"{rest.strip()!r} follows a value that has ended: a comma belongs between them")
    return place + len(rest) - len(rest.lstrip()) if rest.strip() else len(said)


def _up_to_comma(said: str, place: int) -> tuple[str, int]:
    text, at = "", place
    while at < len(said) and said[at] != ",":
        at += said[at] == "\\" and said[at + 1 : at + 2] == ","
        text += said[at]
        at += 1
    return text.strip(), at


def _range(inside: str) -> list[int] | list[float]:
    """Returns numbers from a start, without the stop, by their count: no sum that drifts."""
    parts = [part.strip() for part in inside.split(",")]
    try:
        numbers = [Decimal(part) for part in parts]
        finite = all(number.is_finite() for number in numbers)
    except InvalidOperation:
        finite, numbers = False, []
    if not finite or not 1 <= len(numbers) <= 3:
        raise AxisError("write range(STOP), range(START,STOP) or range(START,STOP,STEP) with numbers")
    start, stop = (Decimal(0), numbers[0]) if len(numbers) == 1 else numbers[:2]
    step = numbers[2] if len(numbers) == 3 else Decimal(1)
    if step == 0:
        raise AxisError("a step of 0 leads nowhere")
    try:
        count = math.ceil((stop - start) / step)
    except ArithmeticError:
        raise AxisError(f"more numbers than can be counted; an axis has at most {MOST}") from None
    if count < 1:
        raise AxisError(f"there is no number from {start} on, before {stop}, in steps of {step}")
    if count > MOST:
        raise AxisError(f"{count if count < 10**12 else 'too many'} values; an axis has at most {MOST}")
    whole = all(re.fullmatch(r"[+-]?\d+", part) for part in parts)
    found = [start + number * step for number in range(count)]
    return [int(one) for one in found] if whole else [float(one) for one in found]
