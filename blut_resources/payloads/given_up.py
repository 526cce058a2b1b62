"""Ends computations that Dagster has given up in the middle, without a word to them.

An interrupt that comes while Dagster writes down an event is raised in Dagster, and not in the computation:
that stays as it is, held by what Dagster keeps of the error, until the interpreter ends. By then nobody can
wait for a payload any more, and what hears of jobs on other machines is gone.

One that is raised in the computation may come just when a lock was taken, or is to be given back, and neither
`with` statement nor generator helps there. Dagster keeps the error until its process ends, and the error what
was left in the middle, so the same process would wait for itself.
"""

import contextlib
import gc
from collections.abc import Generator, Iterator
from typing import Any

from blut_resources.runs.hang_up import is_interrupt

_at_work: list[Generator[Any, None, None]] = []


def followed(steps: Generator[Any, None, None]) -> Iterator[Any]:
    """Yields what a computation yields; `end_given_up` knows it meanwhile.

    An interrupt that ends it holds nothing of it any more.
    """
    _at_work.append(steps)
    try:
        yield from steps
    except BaseException as error:
        if isinstance(error, GeneratorExit) or is_interrupt(type(error)):
            steps.close()  # it came before they went on
            free_left(error)
        raise
    finally:
        _at_work.remove(steps)


def free_left(error: BaseException) -> None:
    """Free what was left in the middle: locks, transactions of a database. Where it was is not told then."""
    error.__traceback__ = error.__context__ = error.__cause__ = None
    gc.collect()


def end_given_up() -> None:
    """End what this process computes, where nothing asks for its results any more; a second interrupt ends
    the wait for that.
    """
    for steps in [*_at_work]:
        with contextlib.suppress(Exception, KeyboardInterrupt):
            steps.close()
