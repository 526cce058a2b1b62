"""Decides who may look into an instance and its store: its owner from birth, or the group that it is for.

A group's home is a directory with the group's write and set-group-id bits, as ``blut init --group`` makes it.
What is made in it is the group's, SQLite's own files included, which take the mode of their database.
"""

import os
import stat
from pathlib import Path

from blut_resources.files.durable import StoreError
from blut_resources.files.private import PRIVATE_DIRECTORY, user_name

GROUP_UMASK = 0o007
INSTANCE_LOCK = ".instance.lock"
"""Held by whoever makes or changes an instance."""
BORN = ("history", INSTANCE_LOCK)
"""What an instance has from its birth on: its database, or, where that is elsewhere, our file alone."""


def make_private(directory: Path) -> Path:
    """Make a directory, and those above it, for this user alone; in a group's directory for the group."""
    if directory.is_dir():
        return directory
    missing = [path for path in (directory, *directory.parents) if not path.exists()]
    for path in reversed(missing):
        mode = 0o777 & ~GROUP_UMASK if is_shared(path.parent) else PRIVATE_DIRECTORY
        path.mkdir(mode, exist_ok=True)
    return directory


def prepare_home(home: Path) -> None:
    """Make an instance's directory private before anything is in it, or follow the group that it belongs to.

    Raises:
        StoreError: it is another user's, who would find files there that only this one can write.
    """
    make_private(home)
    found = home.stat()
    follow_group(home)
    if is_shared(home):
        return
    if found.st_uid == os.geteuid():
        if not any((home / name).exists() for name in BORN) and _is_ours(home):
            home.chmod(PRIVATE_DIRECTORY)
            (home / INSTANCE_LOCK).touch()
    elif os.geteuid() != 0:
        owner = user_name(found.st_uid)
        raise StoreError(
            f"{home} belongs to {owner}, and is not a group's: what you did there {owner} could not write"
            " any more; export DAGSTER_HOME=/absolute/path of your own, or let a home be made for both with"
            " `blut init DIR --group NAME`"
        )


def follow_group(home: Path) -> None:
    """Let what this process makes be the group's that a home belongs to."""
    if is_shared(home):
        os.umask(GROUP_UMASK)


def may_change(home: Path) -> bool:
    """Says whether this process may change an instance: what it makes there its owner can write, too."""
    own = is_shared(home) or os.geteuid() in (0, home.stat().st_uid)
    return own and os.access(home, os.W_OK)


def _is_ours(home: Path) -> bool:
    """Says whether nobody but Blut has made an instance there; who may look into another is its owner's."""
    settings = home / "dagster.yaml"
    return not settings.exists() or any(
        word in settings.read_text(errors="replace") for word in ("# of Blut", "blut_resources")
    )


def is_shared(directory: Path) -> bool:
    """Says whether a directory was made for a group."""
    wanted = stat.S_ISGID | stat.S_IWGRP
    return directory.is_dir() and directory.stat().st_mode & wanted == wanted


def open_to(path: Path) -> str:
    """Says to whom besides its owner a file or directory is open; empty if to nobody, or not there."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return ""
    if is_shared(path):
        mode &= ~stat.S_IRWXG
    who = [name for name, bits in (("its group", mode & 0o070), ("everybody", mode & 0o007)) if bits]
    return " and ".join(who[-1:])
