"""Reads the environment variables that name a place, all of them by one rule.

A crontab, a unit file and a container set variables without a shell, so ``~`` reaches a program as it is.
What a relative path stands for differs from one working directory to the next: there would be two stores to
one history, or two queues for the same memory.
"""

import os
from pathlib import Path

from blut_resources.files.durable import StoreError
from blut_resources.settings import origin, settings


class PathRefused(StoreError):
    """Says that what names a place names none; the message has the variable, its value and the remedy."""


def path_variable(variable: str) -> Path | None:
    """Returns the path that an environment variable names, or a resource in its place, ``~`` expanded.

    None if neither does.

    Raises:
        PathRefused: it is not absolute.
    """
    text = settings().get(variable)
    return absolute_path(text, origin(variable)) if text and text.strip() else None


def absolute_path(text: str, what: str) -> Path:
    """Returns an absolute path, with ``~`` expanded.

    Args:
        what: where the text was found, for the message.

    Raises:
        PathRefused: it is relative, nobody has the name after ``~``, or a record could not name it.
    """
    try:
        # blanks before it cannot be meant; a name may end in one
        path = Path(text if text.startswith(("/", "~")) else text.strip()).expanduser()
    except RuntimeError:
        raise PathRefused(f"{what}={text}: there is no such home directory; write an absolute path") from None
    if not path.is_absolute():
        example = "such as /srv/blut or ~/blut"
        unread = " (nothing replaces a variable in it)" if "$" in text else ""
        raise PathRefused(
            f"{what}={text}: the path is relative{unread}, and would be another place in each directory;"
            f" write an absolute one, {example}"
        )
    refuse_unwritable(path, what)
    return path


def refuse_unwritable(path: Path, what: str) -> None:
    """Refuse a path that is not text: no history, manifest or message could name what lies there.

    Raises:
        PathRefused: bytes in it are not UTF-8.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        shown = os.fsencode(path).decode(errors="backslashreplace")
        raise PathRefused(
            f"{what}={shown}: the name is not UTF-8, and no record could have it in it; rename the directory"
        ) from None


def base_directory(variable: str, below_home: str) -> Path:
    """Returns a directory of the XDG Base Directory Specification, by which a relative path counts as none.

    Args:
        below_home: where it is if the variable names none.
    """
    try:
        path = Path(os.environ.get(variable, "")).expanduser()
    except RuntimeError:
        path = Path()
    return path if path.is_absolute() else Path.home() / below_home


def user_data() -> Path:
    """Returns the directory of what Blut keeps for a user: ``${XDG_DATA_HOME:-~/.local/share}/blut``."""
    return base_directory("XDG_DATA_HOME", ".local/share") / "blut"
