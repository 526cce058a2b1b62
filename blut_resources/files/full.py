"""Says which place is full, of an error or of what a program printed, and what to do about it.

A write that finds no room names no file, and many programs say no more than "No space left on device". So the
places that were written to are looked at: the file system that has next to nothing left is the one. Little
more than the standard library is imported: a payload asks here too.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re

from blut_resources.machine.memory import size_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path
    from typing import Any

FULL = {errno.ENOSPC, errno.EDQUOT}
OF_THE_DISK = FULL | {errno.EIO, errno.EROFS, errno.ESTALE}
"""What a disk does to any program: no fault of the one that meets it."""
CAUSE = "full-disk"
"""What ended by it is called, in metadata and in the events of a run."""
NEXT_TO_NOTHING = 1 << 20
"""Bytes below which a file system is taken for full."""
ELSEWHERE = {"$TMPDIR", "$XDG_CACHE_HOME", "$BLUT_LEASES"}
"""Places that can be elsewhere the next time, and nothing is missed there."""
HOME, STORE = "$DAGSTER_HOME", "$BLUT_STORE"
SAID = "no room: "
"""What a line begins with by which a payload names the full place to its run."""
WORDS = re.compile(
    r"no space left on device|disk quota exceeded|disk is full|not enough space|os error (?:28|122)\b"
    r"|\berrno:? ?=? ?(?:28|122)\b|ENOSPC|EDQUOT|\b\d+ requested and \d+ written\b",
    re.IGNORECASE,
)
"""The last of them is all that NumPy says of a file that took only a part of an array."""
_SAYS = "(?:No space left on device|Disk quota exceeded)"
NAMED = re.compile(
    rf"{_SAYS}: '(?P<python>/[^'\n]+)'|'(?P<shell>/[^'\n]+)': {_SAYS}|^(?P<own>/[^:\n]*): {_SAYS}",
    re.MULTILINE,
)
"""A path as Python, the tools of a shell and Blut's own errors name it."""
QUOTA = re.compile(r"quota|EDQUOT|\b122\b", re.IGNORECASE)


def is_full(error: BaseException | None) -> bool:
    """Says whether a file system without room is behind an error, however it is wrapped.

    It may pass: with some room again the same thing can end well.
    """
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        if isinstance(error, OSError) and full_code(error):
            return True
        if getattr(error, "cause", "") == CAUSE or "disk is full" in str(getattr(error, "orig", None) or ""):
            return True
        if type(error).__module__ == "sqlite3" and "disk is full" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def full_code(error: OSError) -> int | None:
    """Returns by which number an error says that there is no room; None where it says something else.

    A library that has only counted what was written gives none; that is taken for a disk without room.
    """
    if error.errno is None and says_full(str(error)):
        return errno.ENOSPC
    return error.errno if error.errno in FULL else None


def writing(error: BaseException) -> str | None:
    """Returns the path of the file that was being written when an error was raised; None if there is none.

    A write names no file. But the functions that it went through have it open, the innermost before all.
    """
    found, trace = None, error.__traceback__
    while trace is not None:
        for value in trace.tb_frame.f_locals.values():
            found = (isinstance(value, io.IOBase) and _written(value)) or found
        trace = trace.tb_next
    return found


def _written(file: Any) -> str | None:
    """Returns the path of a file that is, or was, open for writing; None if it has none, as a stream."""
    name, mode = getattr(file, "name", None), str(getattr(file, "mode", ""))
    if not isinstance(name, str) or name[:1] == "<" or {*"wax+"}.isdisjoint(mode):
        return None
    return os.path.abspath(name)  # noqa: PTH100


def says_full(text: str) -> bool:
    """Says whether what a program printed tells of a file system without room."""
    return WORDS.search(text) is not None


def full_place(path: Path | str, code: int = errno.ENOSPC) -> str:
    """Returns a sentence without a full stop on the file system of a path: where it is mounted, what is left.

    Args:
        path: need not exist.
        code: the number of the error; that of a quota has a sentence of its own.
    """
    there = _nearest(path)
    mounted = mount_point(there)
    if code == errno.EDQUOT:
        return f"the quota of this user on the file system at {mounted} is used up (`quota -s` shows it)"
    try:
        fs = os.statvfs(there)
    except OSError as error:
        return f"the file system at {mounted} cannot be asked what is left ({error.strerror})"
    if fs.f_files and not fs.f_favail:
        return f"the file system at {mounted} has no inode left: its {fs.f_files} files are all it can name"
    free, size = fs.f_bavail * fs.f_frsize, fs.f_blocks * fs.f_frsize
    return f"the file system at {mounted} has {size_text(free)} of {size_text(size)} free"


def remedy(path: Path | str, places: Mapping[str, Path] | None = None) -> str:
    """Returns what to do about a full place: what frees some of it, or how it is put elsewhere.

    Args:
        path: what could not be written.
        places: by how a person puts each elsewhere, such as ``$TMPDIR``, what is written to.
    """
    known = {**_by_environment(), **(places or {})}
    around = [(name, place) for name, place in known.items() if _is_in(path, place)]
    said = max(around, key=lambda one: len(os.path.realpath(one[1])), default=("", ""))[0]
    other = f" or set {said} to a directory on another one" if said in ELSEWHERE else ""
    freed = "; ".join(_pruned(said, path, known))
    return f"make room there{freed and f' ({freed})'}{other}, then run the same command again"


def _pruned(said: str, path: Path | str, known: Mapping[str, Path | str]) -> Iterator[str]:
    """Yields what frees some of the file system of a path in the home or the store."""
    home = known.get(HOME)
    store = known.get(STORE) or (home and f"{home}/store")
    if said in (HOME, STORE) and store and mount_point(path) == mount_point(store):
        yield "`blut cache prune` gives back what the store need not keep"
    if said == HOME:
        yield "`blut runs prune --keep-newest 20` shows which old runs may go"


def _by_environment() -> dict[str, str]:
    names = {name: os.environ.get(name[1:], "") for name in {*ELSEWHERE, HOME, STORE}}
    return {name: value for name, value in names.items() if value.startswith("/")}


def blamed(text: str, places: Mapping[str, Path]) -> str:
    """Returns which place is full and what to do, for a program that said that one is.

    Args:
        text: what it printed; a path in it counts first.
        places: by name what it writes to.
    """
    code = errno.EDQUOT if (found := WORDS.search(text)) and QUOTA.search(found[0]) else errno.ENOSPC
    if named := NAMED.search(text):
        path = named[named.lastgroup or 0]
        # what was half written may be removed by now
        now = "" if code == errno.EDQUOT or is_nearly_full(path) else " now"
        return f"{full_place(path, code)}{now}, for {path}; {remedy(path, places)}"
    full = [place for place in one_each(places.values()) if is_nearly_full(place)]
    if full:
        each = (f"{full_place(place, code)}, for {place}; {remedy(place, places)}" for place in full)
        return "; ".join(each)
    left = ", ".join(f"{place}: {full_place(place, code)}" for place in one_each(places.values()))
    return f"which file system was full cannot be told now, when there is room again ({left}); run it again"


def is_nearly_full(path: Path | str) -> bool:
    """Says whether next to nothing can be written there: no bytes, or no name of a file."""
    with contextlib.suppress(OSError):
        fs = os.statvfs(_nearest(path))
        size = fs.f_blocks * fs.f_frsize
        least = min(NEXT_TO_NOTHING, max(size // 16, fs.f_frsize))
        return bool(size) and (fs.f_bavail * fs.f_frsize < least or (fs.f_files > 0 and not fs.f_favail))
    return False


def refused(directory: Path | str) -> OSError | None:
    """Returns what a file system without room, or over a failing disk, says to a few bytes; None for others.

    That of a quota and of a disk shows in nothing else.
    """
    path = os.path.join(directory, f".room-{os.getpid()}")  # noqa: PTH118
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, bytes(1 << 12))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
            os.unlink(path)  # noqa: PTH108
    except OSError as error:
        return error if error.errno in {*FULL, errno.EIO} else None
    return None


def takes_nothing(directory: Path | str) -> bool:
    """Says whether nothing can be written to a directory for want of room, or by a quota."""
    return is_nearly_full(directory) or getattr(refused(directory), "errno", None) in FULL


def one_each(places: Iterable[Path | str]) -> Iterator[Path | str]:
    """Yields the first place on each file system, in their order, without those out of reach."""
    seen: set[int] = set()
    for place in places:
        with contextlib.suppress(OSError):
            device = os.stat(_nearest(place)).st_dev  # noqa: PTH116
            if device not in seen:
                seen.add(device)
                yield place


def is_below(path: Path | str, place: Path | str) -> bool:
    """Says whether a path is a place or lies in it, symbolic links followed."""
    real, above = os.path.realpath(path), os.path.realpath(place)
    return real == above or real.startswith(f"{above.rstrip('/')}/")


def _is_in(path: Path | str, place: Path | str) -> bool:
    """Says whether a path would be on another file system if the place above it were."""
    return is_below(path, place) and mount_point(path) == mount_point(place)


def mount_point(path: Path | str) -> str:
    """Returns where the file system of a path is mounted."""
    at = os.path.realpath(_nearest(path))
    while not os.path.ismount(at):
        at = os.path.dirname(at)  # noqa: PTH120
    return at


def _nearest(path: Path | str) -> str:
    """Returns a path, or the closest above it that exists."""
    at = os.path.abspath(path)  # noqa: PTH100
    while not os.path.exists(at) and at != "/":  # noqa: PTH110
        at = os.path.dirname(at)  # noqa: PTH120
    return at
