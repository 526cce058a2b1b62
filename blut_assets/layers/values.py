"""Holds values by the path of their keys, each with where it was said; a stronger layer is put on top."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal, NamedTuple

KeyPath = tuple[str, ...]
Layer = Literal["default", "cookbook", "user", "project", "config", "environment", "args", "set"]


class ValueOrigin(NamedTuple):
    """Says where a value was said.

    Attributes:
        layer: which of the layers it is.
        place: the file, the variable with its ``$``, or the option.
        line: in the file, counted from 1; 0 where there is none.
    """

    layer: Layer
    place: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.place}:{self.line}" if self.line else self.place


class SaidValue(NamedTuple):
    """Holds a value and where it was said."""

    value: Any
    origin: ValueOrigin


class Values:
    """Collects what layers say, the weakest first. Objects are merged key by key; a list replaces a list."""

    def __init__(self) -> None:
        self._said: dict[KeyPath, SaidValue] = {}

    def put(self, path: KeyPath, value: Any, origin: Callable[[KeyPath], ValueOrigin]) -> None:
        """Put a value over what was said before.

        Args:
            origin: of a path, for each key of an object may stand in a line of its own.
        """
        if isinstance(value, Mapping):
            for key, inner in value.items():
                self.put((*path, key), inner, origin)
            if (
                value
                or not path
                or any(len(one) > len(path) and one[: len(path)] == path for one in self._said)
            ):
                return
        self.drop(path)
        for length in range(1, len(path)):
            self._said.pop(path[:length], None)
        self._said[path] = SaidValue(value, origin(path))

    def drop(self, path: KeyPath) -> None:
        """Forget what was said of a key, and of what is inside it."""
        for known in [one for one in self._said if one[: len(path)] == path]:
            del self._said[known]

    def origin(self, path: KeyPath) -> ValueOrigin | None:
        """Returns where a key, or the first inside it, was said; None if nobody has said anything."""
        return next((said.origin for known, said in self._said.items() if known[: len(path)] == path), None)

    def plain_above(self, path: KeyPath) -> KeyPath | None:
        """Returns the key around this one that holds something in which nothing can be put; None without."""
        for length in range(1, len(path)):
            said = self._said.get(path[:length])
            if said is not None and not isinstance(said.value, Mapping):
                return path[:length]
        return None

    def origins(self) -> dict[KeyPath, ValueOrigin]:
        """Returns where each value was said."""
        return {path: said.origin for path, said in self._said.items()}

    def nested(self) -> dict[str, Any]:
        """Returns the values as objects inside objects."""
        whole: dict[str, Any] = {}
        for path, said in self._said.items():
            inner = whole
            for key in path[:-1]:
                inner = inner.setdefault(key, {})
            inner[path[-1]] = said.value
        return whole

    def __iter__(self) -> Iterator[tuple[KeyPath, SaidValue]]:
        return iter(self._said.items())
