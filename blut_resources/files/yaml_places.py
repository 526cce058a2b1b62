"""Finds the line of a YAML text in which each key stands, for errors that name it."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import yaml


def lines_of(text: str) -> dict[tuple[str, ...], int]:
    """Returns the line, counted from 1, of each key of the mappings in a text that is known to be YAML.

    A key is named by those around it from the top on, a member of a list by its number, counted from 0.
    """
    import yaml

    node = yaml.compose(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return dict(_below(node, ()))


def _below(node: "yaml.Node | None", path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], int]]:
    import yaml

    if isinstance(node, yaml.MappingNode):
        inner = [(str(key.value), key, value) for key, value in node.value]
    elif isinstance(node, yaml.SequenceNode):
        inner = [(str(number), value, value) for number, value in enumerate(node.value)]
    else:
        return
    for name, key, value in inner:
        yield (*path, name), key.start_mark.line + 1
        yield from _below(value, (*path, name))
