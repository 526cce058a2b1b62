"""Reads the frozen JSON of a payload as a typed object, whose fields and bounds are written down once.

Whoever starts a payload through an asset has had its config checked already. Whoever writes the JSON by hand,
for ``--config FILE``, is told the field, its value and what it must be.
"""

import dataclasses
import difflib
import math
import types
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from blut_resources.payload_kit.refuse import Refused, refusal
from blut_resources.payload_kit.session import PayloadSession

T = TypeVar("T")
PLAIN: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a finite number",
    str: "a text",
}


@dataclasses.dataclass(frozen=True)
class Bounds:
    """Limits a number, or the length of a text or list: ``threads: Annotated[int, Bounds(1, 256)]``.

    Attributes:
        low, high: the least and the most that is allowed.
        above, below: limits that are not allowed themselves.
    """

    low: float | None = None
    high: float | None = None
    above: float | None = None
    below: float | None = None

    def hold(self, value: Any) -> bool:
        """Returns whether a value, or its length, is within."""
        size = value if isinstance(value, int | float) else len(value)
        return not (
            (self.low is not None and size < self.low)
            or (self.high is not None and size > self.high)
            or (self.above is not None and size <= self.above)
            or (self.below is not None and size >= self.below)
        )

    def words(self) -> str:
        """Returns the limits in words."""
        named = (("from", self.low), ("to", self.high), ("above", self.above), ("below", self.below))
        return " ".join(f"{word} {limit:.10g}" for word, limit in named if limit is not None)


def read_config(session: PayloadSession, kind: type[T]) -> T:
    """Returns the config of a session as an object of a dataclass.

    A field may be a bool, int, float or str, one of a `Literal`, a list, tuple or mapping of these, another
    dataclass, a pydantic model, or one of several of them; `Any` takes what is there.

    Raises:
        Refused: a field is missing, unknown, of another type or out of its bounds; the message names it.
    """
    return read(session.config, kind)


def read_inputs(session: PayloadSession, kind: type[T]) -> T:
    """Returns the inputs of a session as an object of a dataclass, whose fields are paths.

    Raises:
        Refused: an input is missing, or nothing is at its path.
    """
    fields = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    return read({name: session.inputs[name] for name in fields if name in session.inputs}, kind, "input ")


def read(values: Mapping[str, Any], kind: type[T], place: str = "") -> T:
    """Returns the values as an object of a dataclass.

    Args:
        place: what errors put before the name of a field.

    Raises:
        Refused: as `read_config`.
    """
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]
    for name in values.keys() - fields.keys():
        near = difflib.get_close_matches(name, fields, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        raise Refused(f"{place}{name}={values[name]!r}: unknown; {meant}known: {', '.join(fields)}")
    hints = get_type_hints(kind, include_extras=True)
    missing = dataclasses.MISSING
    for name, field in fields.items():
        if name not in values and field.default is missing and field.default_factory is missing:
            raise Refused(f"{place}{name}: missing; give {_words(hints[name])}")
    return kind(**{name: _taken(f"{place}{name}", value, hints[name]) for name, value in values.items()})


def _taken(name: str, value: Any, kind: Any) -> Any:
    """Returns a value as the type that is wanted; an int where a float is wanted becomes one."""
    if get_origin(kind) is Annotated:
        kind, *bounds = get_args(kind)
        found = _taken(name, value, kind)
        for one in bounds:
            if isinstance(one, Bounds) and found is not None and not one.hold(found):
                raise refusal(name, value, f"be {_words(kind)} {one.words()}")
        return found
    if get_origin(kind) in (Union, types.UnionType):
        return _one_of(name, value, get_args(kind))
    if kind is Path and isinstance(value, Path):
        if not value.exists():
            raise Refused(f"{name}: there is nothing at {value}; give {_words(kind)}")
        return value
    inner = _inner(name, value, kind)
    if inner is not None:
        return inner
    if not _fits(value, kind):
        raise refusal(name, value, f"be {_words(kind)}")
    return float(value) if kind is float else value


def _one_of(name: str, value: Any, kinds: Sequence[Any]) -> Any:
    if value is None and type(None) in kinds:
        return None
    several = [kind for kind in kinds if kind is not type(None)]
    for kind in several[:-1]:
        try:
            return _taken(name, value, kind)
        except Refused:
            continue
    try:
        return _taken(name, value, several[-1])
    except Refused as error:
        if value is None or len(several) > 1:
            raise refusal(name, value, f"be {' or '.join(_words(kind) for kind in kinds)}") from error
        raise


def _inner(name: str, value: Any, kind: Any) -> Any:
    """Returns a value that is made of others; None if it is not of such a type."""
    if isinstance(value, Mapping) and dataclasses.is_dataclass(kind) and isinstance(kind, type):
        return read(value, kind, f"{name}.")
    if isinstance(value, Mapping) and hasattr(kind, "model_validate"):
        return _model(name, value, kind)
    origin, parts = get_origin(kind), get_args(kind)
    if isinstance(value, list) and origin in (list, tuple, Sequence):
        items = [_taken(f"{name}[{number}]", one, parts[0]) for number, one in enumerate(value)]
        return tuple(items) if origin is tuple else items
    if isinstance(value, Mapping) and origin in (dict, Mapping):
        return {key: _taken(f"{name}.{key}", one, parts[1]) for key, one in value.items()}
    return None


def _model(name: str, value: Any, kind: Any) -> Any:
    """Returns a pydantic model; the library is not imported here."""
    try:
        return kind.model_validate(value)
    except ValueError as error:
        problems = getattr(error, "errors", list)()
        if not problems:
            raise
        one = problems[0]
        place = ".".join([name, *map(str, one["loc"])])
        raise Refused(f"{place}={one['input']!r}: {one['msg']}") from error


def _fits(value: Any, kind: Any) -> bool:
    if kind is Any:
        return True
    if get_origin(kind) is Literal:
        return any(value == one and type(value) is type(one) for one in get_args(kind))
    if kind in (int, float):
        wanted = int if kind is int else (int, float)
        return isinstance(value, wanted) and not isinstance(value, bool) and math.isfinite(value)
    return kind in PLAIN and isinstance(value, kind)


def _words(kind: Any) -> str:
    if get_origin(kind) is Annotated:
        return _words(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        return " or ".join(_words(one) for one in get_args(kind))
    if get_origin(kind) is Literal:
        return f"one of {', '.join(map(str, get_args(kind)))}"
    if get_origin(kind) in (list, tuple, Sequence):
        return "a list"
    if kind is type(None):
        return "null"
    return PLAIN.get(kind, "a path" if kind is Path else "anything" if kind is Any else "an object")
