"""Finds where the instance and its store are, without loading Dagster."""

import functools
import sys
from contextlib import suppress
from pathlib import Path

from blut_resources.files.here import here
from blut_resources.files.named import path_variable, refuse_unwritable, user_data
from blut_resources.files.private import distrust


def find_home(start: Path | None = None) -> Path:
    """Returns the instance directory: $DAGSTER_HOME, else the enclosing checkout's, else the user's own.

    An instance says which code is run, so one that was only found counts if nobody else could have put it
    there; the directories above a working directory may be anybody's.

    Raises:
        PathRefused: $DAGSTER_HOME is relative, or a name is not UTF-8.
    """
    exported = path_variable("DAGSTER_HOME")
    if exported:
        home = exported.resolve()
        refuse_unwritable(home, "$DAGSTER_HOME")
        return home
    start = (start or here()).resolve()
    for directory in (start, *start.parents):
        if _has_home(directory) and _believed(directory / ".dagster"):
            refuse_unwritable(directory, "the instance directory")
            return directory / ".dagster"
    return user_data() / "dagster"


def _has_home(directory: Path) -> bool:
    with suppress(OSError):  # one that cannot be read is not this user's
        return (directory / ".dagster" / "dagster.yaml").is_file()
    return False


def is_home(directory: Path) -> bool:
    """Says whether somebody, Blut or anybody else, has made a Dagster instance of a directory."""
    return any((directory / name).exists() for name in ("dagster.yaml", "history", "schedules"))


def not_born(home: Path) -> str:
    """Says that nobody has made an instance of a directory yet, and what makes one; empty if somebody has."""
    return "" if is_home(home) else f"there is no Dagster instance in {home} yet; the first run makes one"


def store_root(home: Path) -> Path:
    """Returns the directory of the instance's artifact store; $BLUT_STORE puts it on another disk.

    Raises:
        PathRefused: $BLUT_STORE is relative.
    """
    return path_variable("BLUT_STORE") or home / "store"


def _believed(home: Path) -> bool:
    for path in (home, home / "dagster.yaml"):
        if reason := distrust(path):
            _say(f"blut: {path} {reason}, and is passed over; export DAGSTER_HOME={home} if you trust it")
            return False
    return True


@functools.cache
def _say(text: str) -> None:
    """Print a line once a process, however often the home is looked for."""
    print(text, file=sys.stderr)
