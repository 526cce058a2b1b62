"""Reads what a deployment says of itself: by resources of its definitions, else by the environment.

Whatever reads a variable of Blut's in a run, a sensor or a command reads it here, so that a resource that
says the same counts everywhere.
"""

import contextlib
import os
from collections import ChainMap
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import NamedTuple


class Setting(NamedTuple):
    """Holds the value of a variable, and who says so: ``BlutStore.root``, or ``$BLUT_STORE``."""

    text: str
    by: str


Settings = Mapping[str, Setting]
"""By the name of the environment variable that says the same."""
_of_run: ContextVar[Settings] = ContextVar("settings of the run")
declared: list[Callable[[], Settings]] = []
"""What the resources of this process's definitions say, outside of any run."""


def settings() -> Mapping[str, str]:
    """Returns the environment, with what resources say in the place of its variables."""
    said = _said()
    return ChainMap({name: one.text for name, one in said.items()}, os.environ) if said else os.environ


def origin(name: str) -> str:
    """Returns who says the value of a variable, for a message."""
    return said.by if (said := _said().get(name)) else f"${name}"


@contextlib.contextmanager
def in_force(said: Settings) -> Iterator[None]:
    """Have these settings count until the end, in this thread."""
    before = _of_run.get(None)
    _of_run.set(said)
    try:
        yield
    finally:
        # no token: a generator may be closed in another context than the one it began in
        _of_run.set(before if before is not None else {})


def _said() -> Settings:
    said = _of_run.get(None)
    if said:
        return said
    return declared[-1]() if declared else {}
