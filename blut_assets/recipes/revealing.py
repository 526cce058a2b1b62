"""Finds secrets of the environment in args that would be written down."""

import os
from collections.abc import Iterator, Mapping
from typing import Any

from blut_resources.payloads.environment import SECRET

SHORTEST = 8
"""Characters below which an equal text says nothing of where it comes from."""


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
