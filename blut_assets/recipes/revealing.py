"""Finds secrets of the environment in args that would be written down, and in what would be said of them."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from blut_resources.payloads.environment import SECRET

SHORTEST = 8
"""Characters below which an equal text says nothing of where it comes from."""

NOT_SHOWN = "a value that is not shown, for it may be a secret by its name"


def concealed(told: str, variable: str, value: Any) -> str:
    """Returns what is said of the value of a variable, without it where that is called like a secret."""
    if not SECRET.search(variable.upper()):
        return told
    for _, text in [("", repr(value)), *_texts(value)]:
        told = told.replace(repr(text), NOT_SHOWN).replace(text, NOT_SHOWN) if text else told
    return told


def revealed(args: Mapping[str, Any]) -> list[str]:
    """Returns a line for each of the args that holds the value of an environment variable which is
    called like a secret; the value is not in it.
    """
    secrets = {
        name: value
        for name, value in os.environ.items()
        if SECRET.search(name.upper()) and len(value) >= SHORTEST
    }
    return [
        f"argument {where!r} holds the value of ${name}: args are in the definitions, in each run and in its"
        " manifest, for all to read; leave it out, and let what needs it read the variable"
        for where, text in _texts(args)
        for name, value in secrets.items()
        if value in text
    ]


def _texts(value: Any, above: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield above, value
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(one, f"{above}.{name}" if above else str(name))
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one, above)
