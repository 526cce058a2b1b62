"""Ends computations that Dagster has given up in the middle, without a word to them.

An interrupt that comes while Dagster writes down an event is raised in Dagster, and not in the computation:
that stays as it is, held by what Dagster keeps of the error, until the interpreter ends. By then nobody can
wait for a payload any more, and what hears of jobs on other machines is gone.
"""

import contextlib
from collections.abc import Generator, Iterator
from typing import Any

_at_work: list[Generator[Any, None, None]] = []


def followed(steps: Generator[Any, None, None]) -> Iterator[Any]:
    """Yields what a computation yields; `end_given_up` knows it meanwhile."""
    _at_work.append(steps)
    try:
        yield from steps
    finally:
        _at_work.remove(steps)


def end_given_up() -> None:
    """End what this process computes, where nothing asks for its results any more; a second interrupt ends
    the wait for that.
    """
    for steps in [*_at_work]:
        with contextlib.suppress(Exception, KeyboardInterrupt):
            steps.close()
