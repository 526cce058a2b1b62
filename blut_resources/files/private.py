"""Believes private places and files or not: whose they are, who else may write them, how they are opened.

Whatever Blut acts on by itself (an instance it found, a policy, the hooks of alerts, a place left by a dead
payload) is believed only if it is this user's or root's and nobody else can write it, as ssh does with its
keys. What is opened by a name that others can make is opened without following links and without waiting, and
is looked at through the descriptor, since a name can stand for something else a moment later.
"""

import contextlib
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

PRIVATE_DIRECTORY = 0o700
ONLY_A_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY


class NotBelieved(ValueError):
    """Says that somebody else could have written it; the message names the place, its owner, the remedy."""


class NotAFile(OSError):
    """Says that a name that should stand for a regular file stands for something else."""


def open_file(
    path: Path | str, flags: int = os.O_RDONLY, mode: int = 0o600, dir_fd: int | None = None
) -> int:
    """Open a regular file; neither a link is followed, nor is a FIFO or a device waited for.

    Returns:
        The descriptor, which is not inherited.

    Raises:
        NotAFile: it is a link, a FIFO, a socket, a device or a directory.
        OSError: as ``os.open`` does.
    """
    try:
        descriptor = os.open(path, flags | ONLY_A_FILE, mode, dir_fd=dir_fd)
    except OSError as error:
        if os.path.islink(path) and dir_fd is None:  # noqa: PTH114
            raise NotAFile(error.errno, "is a link, and none is followed here", str(path)) from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise NotAFile(0, "is no regular file", str(path))
    return descriptor


def distrust(path: Path) -> str:
    """Says why what a name stands for is not believed, in words; empty if it is.

    Both a link and what it leads to have to be this user's or root's, and not writable by anybody else.
    """
    for look in (os.lstat, os.stat):
        found = look(path)
        if stat.S_ISLNK(found.st_mode):
            if found.st_uid not in (os.geteuid(), 0):
                return f"is a link of {user_name(found.st_uid)}'s"
            continue
        if reason := _distrusted(found):
            return reason
    return ""


def open_believed(path: Path, remedy: str) -> BinaryIO:
    """Open a settings file that nobody else could have written, to be read.

    Raises:
        NotBelieved: it is another user's, or others can write it; ``remedy`` ends the message.
        OSError: it cannot be read, or is not a regular file.
    """
    reason = distrust(path)
    file = os.fdopen(open_file(path.resolve()), "rb")
    reason = reason or _distrusted(os.fstat(file.fileno()))
    if reason:
        file.close()
        raise NotBelieved(f"{path} {reason}, and is not believed: {remedy}")
    return file


@contextlib.contextmanager
def opened_directory(path: Path) -> Iterator[int]:
    """Open a directory and give its descriptor; no link to one is followed. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def not_private(directory: Path) -> str:
    """Says why a directory is not this user's alone, in words; empty if it is. No link to one is followed."""
    try:
        with opened_directory(directory) as descriptor:
            found = os.fstat(descriptor)
    except OSError as error:
        return f"is no directory that can be opened ({os.strerror(error.errno or 0)})"
    if found.st_uid != os.geteuid():
        return f"belongs to {user_name(found.st_uid)}"
    mode = stat.S_IMODE(found.st_mode)
    return f"is open to others (mode {mode:o})" if mode & ~PRIVATE_DIRECTORY else ""


def user_name(uid: int) -> str:
    """Returns the name of a user, or the number where it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def _distrusted(found: os.stat_result) -> str:
    if found.st_uid not in (os.geteuid(), 0):
        return f"belongs to {user_name(found.st_uid)}"
    writable = found.st_mode & stat.S_IWOTH or (found.st_mode & stat.S_IWGRP and not _own_group(found.st_gid))
    return f"others can write it (mode {stat.S_IMODE(found.st_mode):o})" if writable else ""


def _own_group(gid: int) -> bool:
    """Says whether a group is one user's own, as many systems give each user, and a umask of 002 supposes."""
    import grp

    try:
        group, own = grp.getgrgid(gid), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == own and set(group.gr_mem) <= {own}
