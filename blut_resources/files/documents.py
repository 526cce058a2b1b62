"""Reads YAML, JSON and TOML that others wrote within bounds, and tells every fault in the same way.

An alias lets 500 bytes of YAML stand for gigabytes, depth ends Python's own recursion, a number of 5,000
digits or a 31st of February is an error of a kind that no reader expects.
"""

import json
import re
from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import yaml

MOST = 4 << 20
"""Bytes of a document, where its reader names no other bound."""
DEPTH = 64
DIGITS = 400
"""A number of more than these is refused: none has a use, and long ones take quadratic time."""
_LONG = re.compile(rf"[0-9_:]{{{DIGITS + 1}}}")
_INT, _FLOAT, _DATE = (f"tag:yaml.org,2002:{name}" for name in ("int", "float", "timestamp"))
_BARE = {
    "tag:yaml.org,2002:bool": r"true|True|TRUE|false|False|FALSE",
    _INT: r"[-+]?(?:0|[1-9][0-9_]*|0x[0-9a-fA-F_]+|0b[01_]+)",
    _FLOAT: r"[-+]?(?:(?:0|[1-9][0-9_]*)(?:\.[0-9_]*)?|\.[0-9][0-9_]*)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
}
"""What a bare word is in YAML 1.2, as in JSON; one that begins with a needless zero is text."""


class DocumentError(ValueError):
    """Says that a document cannot be read; the message names the file, the place in it and the remedy."""


def read_json(data: bytes | str, name: str, most: int = MOST, *, distinct: bool = False) -> Any:
    """Returns the value of a JSON text;
    ``distinct`` refuses a name that an object has twice, NaN and infinities.

    Raises:
        DocumentError: it is none, larger than ``most`` bytes, too deep, or holds an endless number.
    """
    strict: dict[str, Any] = (
        {"object_pairs_hook": _distinct, "parse_constant": _no_constant} if distinct else {}
    )
    try:
        text = _text(data, name, most)
        value = json.loads(text, **(strict if distinct else {}))
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, "JSON", error) from None
    if text.count("{") + text.count("[") > DEPTH:  # no deeper than it has brackets
        _refuse_deep(value, name)
    return value


def read_toml(data: bytes | str, name: str, most: int = MOST) -> dict[str, Any]:
    """Returns the table of a TOML text.

    Raises:
        DocumentError: it is none, larger than ``most`` bytes, too deep, or holds an endless number.
    """
    import tomllib

    try:
        value = tomllib.loads(_text(data, name, most))
    except (ValueError, RecursionError, OverflowError) as error:
        raise _unreadable(name, "TOML", error) from None
    _refuse_deep(value, name)
    return value


def read_yaml(data: bytes | str, name: str, most: int = MOST, *, as_json: bool = False) -> Any:
    """Returns the value of a YAML text of plain values, without aliases; a mapping has each key once.

    Args:
        as_json: whether a bare word is what it would be in JSON: ``1e-4`` a number, ``12:30``,
            ``no`` and ``2026-12-01`` text. In YAML 1.1 they are text, 750, false and a date.

    Raises:
        DocumentError: it is none, larger than ``most`` bytes, too deep, or holds an alias, a tag of its own,
            an endless number, an impossible date or a key that cannot be one.
    """
    import yaml

    text = _text(data, name, most)
    try:
        _refuse_aliases(text, name)
        return yaml.load(text, _yaml_loader(as_json))
    except DocumentError:
        raise
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError) as error:
        raise _unreadable(name, "YAML", error) from None


def _text(data: bytes | str, name: str, most: int) -> str:
    if len(data) > most:
        raise DocumentError(f"{name}: more than {most} bytes; a document of that kind is shorter")
    try:
        return data if isinstance(data, str) else data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unreadable(name, "UTF-8", error) from None


def _unreadable(name: str, kind: str, error: BaseException) -> DocumentError:
    words = "too many levels of lists or mappings" if isinstance(error, RecursionError) else error
    if mark := getattr(error, "problem_mark", None):  # PyYAML says it in three lines
        name, words = f"{name}:{mark.line + 1}", getattr(error, "problem", None) or words
    return DocumentError(f"{name}: cannot be read as {kind}: {str(words)[:500]}")


def _refuse_deep(value: Any, name: str) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return
    raise DocumentError(f"{name}: more than {DEPTH} levels of lists or mappings; flatten them")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for n, (key, _) in enumerate(pairs) if key in [k for k, _ in pairs[:n]])
        raise ValueError(f"{twice[:100]!r} stands in one object twice")
    return found


def _no_constant(word: str) -> Any:
    raise ValueError(f"{word} is no number in JSON")


def _refuse_aliases(text: str, name: str) -> None:
    import yaml

    depth = 0
    for event in yaml.parse(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
        line = f"{name}, line {event.start_mark.line + 1}"
        if isinstance(event, yaml.AliasEvent):
            raise DocumentError(f"{line}: an alias (*{str(event.anchor)[:40]}); write out what it stands for")
        if isinstance(event, yaml.ScalarEvent) and event.implicit[0] and _LONG.search(event.value):
            raise DocumentError(f"{line}: a number of more than {DIGITS} digits; write it as text in quotes")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEPTH:
            raise DocumentError(f"{line}: more than {DEPTH} levels of lists or mappings; flatten them")


def _yaml_loader(as_json: bool) -> "type[yaml.SafeLoader]":
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Distinct(base):
        """Plain values, and no key twice."""

        def construct_mapping(self, node: "yaml.MappingNode", deep: bool = False) -> dict[Hashable, Any]:
            seen = set()
            for key_node, _ in node.value:
                key = self.construct_object(key_node, deep=True)
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {str(key)[:100]!r} appears twice", key_node.start_mark
                    )
                seen.add(key)
            return super().construct_mapping(node, deep=deep)

    if as_json:
        Distinct.yaml_implicit_resolvers = _words_of_json(base.yaml_implicit_resolvers)
    return Distinct


def _words_of_json(resolvers: Any) -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """Returns what a bare word stands for, by its first character."""
    own = [(tag, re.compile(rf"(?:{pattern})\Z")) for tag, pattern in _BARE.items()]
    return {
        first: [*own, *(one for one in known if one[0] not in (*_BARE, _DATE))]
        for first, known in resolvers.items()
    }
