"""Says how to get what is not installed, before a command fails on it."""

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from blut_assets.extras import lacking
from blut_assets.terminal.output import failed

F = TypeVar("F", bound=Callable[..., None])


def needs_extra(command: F) -> F:
    """End a command with status 1 and the remedy where a package that it imports is not installed."""

    @wraps(command)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except ImportError as error:
            remedies = ", ".join(one.remedy for one in lacking(["blut[lamquant]"]))
            failed(f"{error}: {remedies or 'the environment is damaged: install Blut anew'}")

    return run  # type: ignore[return-value]
