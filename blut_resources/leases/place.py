"""Finds and locks the one directory of this machine, for all of its users, where leases are kept."""

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from blut_resources.files.durable import random_name
from blut_resources.files.full import FULL, full_place
from blut_resources.files.named import PathRefused, path_variable
from blut_resources.files.private import (
    PRIVATE_DIRECTORY,
    NotAFile,
    distrust,
    open_file,
    opened_directory,
    user_name,
)

PLACE = "BLUT_LEASES"
PLACES = (Path("/run/lock/blut"), Path("/tmp/blut-leases"))
"""Not $TMPDIR, which differs between users and services: they would not see each other."""
STUCK_S = 5.0

_ANYONE = f"set ${PLACE} to a directory that every user of this machine can write"


class LeaseError(Exception):
    """Says that leases cannot be kept; the message names the path, the problem, the remedy."""


def place() -> Path:
    """Returns the directory, made if need be:
    $BLUT_LEASES, else the first of `PLACES` that this machine has.

    Raises:
        LeaseError: it cannot be used; falling back to another would give the same memory away twice.
    """
    directory = named_place()
    with explained(directory):
        if not directory.is_dir():
            _make(directory)
        _refuse_unusable(directory)
        _refuse_anothers(directory)
    return directory


def named_place() -> Path:
    """Returns where the directory is or would be.

    Raises:
        LeaseError: $BLUT_LEASES is relative.
    """
    try:
        named = path_variable(PLACE)
    except PathRefused as error:
        raise LeaseError(str(error)) from None
    if named:
        return named
    first, last = PLACES
    return first if first.exists() or os.access(first.parent, os.W_OK | os.X_OK) else last


@contextlib.contextmanager
def locked(directory: Path, *, on_stuck: Callable[[str], None]) -> Iterator[None]:
    """Hold the directory's own lock. Waits in short naps, so that an interrupt gets through."""
    descriptor = _lock(directory / ".lock", on_stuck)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError in the block into a LeaseError that says what to do about it."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        if error.errno in FULL:
            problem = f"{os.strerror(error.errno or 0)}: {full_place(where, error.errno or 0)}"
            raise LeaseError(f"{where}: {problem}; make room there, or {_ANYONE}") from error
        raise LeaseError(f"{where}: {os.strerror(error.errno or 0)}; repair that, or {_ANYONE}") from error


def _lock(path: Path, on_stuck: Callable[[str], None]) -> int:
    said, start = False, time.monotonic()
    while True:
        with explained(path):
            descriptor = _open(path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        except (BlockingIOError, FileNotFoundError):
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if not said and time.monotonic() - start > STUCK_S:
            said = True
            who = locked_by(path) or "a process"
            on_stuck(f"waiting for {path}: {who} has locked it for {STUCK_S:.0f} s (`fuser -v {path}`)")
        time.sleep(0.005)


def _open(path: Path) -> int:
    # Never O_CREAT on what is there: in a sticky directory the kernel may refuse it for another user's file.
    with contextlib.suppress(FileNotFoundError):
        return _lockable(path)
    temporary = path.with_name(f".lock-{random_name()}")
    descriptor = open_file(temporary, os.O_RDONLY | os.O_CREAT | os.O_EXCL)
    try:
        os.fchmod(descriptor, 0o644)  # whatever the umask: to lock it takes the right to read it
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.close(descriptor)
        temporary.unlink(missing_ok=True)
    return _lockable(path)


def _lockable(path: Path) -> int:
    try:
        return open_file(path)
    except (NotAFile, PermissionError) as error:
        owner, why = user_name(path.lstat().st_uid), error.strerror or "cannot be opened"
        raise LeaseError(f"{path} of {owner}: {why}; remove it as {owner} or root, or {_ANYONE}") from error


def locked_by(path: Path) -> str:
    """Returns the process that has locked a file and its user, by the kernel's table;
    empty if that does not say.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        wanted = f":{path.stat().st_ino}"
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1] == "FLOCK" and words[5].endswith(wanted):
                return f"process {words[4]} of {user_name(Path('/proc', words[4]).stat().st_uid)}"
    return ""


def _make(directory: Path) -> None:
    """Make the directory so that it appears with its final mode, and nobody finds it closed."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    temporary = directory.with_name(f".{directory.name}-{random_name()}")
    temporary.mkdir(PRIVATE_DIRECTORY)
    try:
        with opened_directory(temporary) as descriptor:
            os.fchmod(descriptor, 0o1777)
        temporary.rename(directory)
    except OSError:
        temporary.rmdir()
        if not directory.is_dir():
            raise


def _refuse_unusable(directory: Path) -> None:
    if directory in PLACES and directory.is_symlink():
        raise LeaseError(
            f"{directory} is a symbolic link, which anybody could have made: remove it, or {_ANYONE}"
        )
    if os.statvfs(directory).f_flag & os.ST_RDONLY:
        raise LeaseError(f"{directory}: its file system is mounted read-only; mount it anew, or {_ANYONE}")
    if not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        owner, me = user_name(directory.stat().st_uid), user_name(os.geteuid())
        raise LeaseError(
            f"{directory} belongs to {owner} and {me} cannot write there:"
            f" `chmod 1777 {directory}` as {owner} or root, or {_ANYONE}"
        )


def _refuse_anothers(directory: Path) -> None:
    """Refuse a directory whose owner, or who can write to it while it is not sticky, can take leases away.

    Root takes over what somebody else made first.
    """
    with opened_directory(directory) as descriptor:
        if os.geteuid() == 0 and directory in PLACES:
            os.fchown(descriptor, 0, 0)
            os.fchmod(descriptor, 0o1777)
        found = os.fstat(descriptor)
    if found.st_uid not in (os.geteuid(), 0):
        owner = user_name(found.st_uid)
        raise LeaseError(
            f"{directory} belongs to {owner}, who could take every lease in it away: `chown root {directory}`"
            f" as root, or {_ANYONE}"
        )
    if not found.st_mode & stat.S_ISVTX and distrust(directory):
        raise LeaseError(
            f"{directory} is open to others and not sticky (mode {stat.S_IMODE(found.st_mode):o}), so anybody"
            f" could take every lease in it away: `chmod +t {directory}` as its owner, or {_ANYONE}"
        )
