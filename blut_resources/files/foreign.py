"""Opens what people bring: regular files only, looked at after they are open, and read up to a bound.

A pipe would keep its reader waiting for ever, a device has no end. What a name stands for may change between
a look and an open, so the look is at what is open.
"""

import errno
import io
import os
import stat


class NotRegular(OSError):
    """Says that a name stands for a pipe, a device, a socket or a directory, which one, and the remedy."""


class TooLarge(OSError):
    """Says that a file is larger than its reader takes; the message names it, both sizes and the remedy."""


_KINDS = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def open_regular(path: str | os.PathLike[str], *, follow: bool = True) -> io.BufferedReader:
    """Open a regular file for reading in binary; without ``follow`` a symbolic link is refused too.

    Raises:
        NotRegular: it is something else.
        OSError: it cannot be opened.
    """
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        descriptor = os.open(path, flags if follow else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ENXIO:  # a socket cannot be opened at all
            raise NotRegular(f"{os.fspath(path)}: a socket, no regular file; name a file") from None
        raise
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        kind = next((word for is_kind, word in _KINDS if is_kind(mode)), "something else")
        raise NotRegular(f"{os.fspath(path)}: {kind}, no regular file; name a file")
    return os.fdopen(descriptor, "rb")


def copy_regular(source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
    """Copy the bytes of a regular file into a new one or over an old one.

    Raises:
        NotRegular: the source is something else.
        OSError: it cannot be read, or the target not written.
    """
    import shutil

    with open_regular(source) as taken, open(target, "wb") as made:  # noqa: PTH123
        shutil.copyfileobj(taken, made, 1 << 20)


def read_regular(path: str | os.PathLike[str], at_most: int) -> bytes:
    """Returns the bytes of a regular file of at most so many; more is never read.

    Raises:
        NotRegular: it is something else.
        TooLarge: it has more.
        OSError: it cannot be read.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(at_most + 1) if size <= at_most else b""
    if size > at_most or len(data) > at_most:
        found = max(size, len(data))
        raise TooLarge(f"{os.fspath(path)}: {found} bytes, of {at_most} at most; name a smaller file")
    return data
