"""Reads and writes the small JSON files of owner and supervisor, without importing ``json``.

The supervisor is started before every payload, and ``json`` would double the time that takes: it imports
``re`` and ``enum``. The C functions behind it need neither.
"""

from __future__ import annotations

from _json import encode_basestring_ascii, make_scanner

TYPE_CHECKING = False  # `typing` would take 15 ms to import, os 3 ms
if TYPE_CHECKING:
    import os
    from typing import Any
else:
    import posix as os


ROOM, ROOM_BYTES = ".room", 4096


class _Plain:
    """Stands in for a decoder: this is what the scanner asks one for."""

    strict, object_hook, object_pairs_hook, array_hook, memo = True, None, None, None, None
    parse_float, parse_int, parse_constant = float, int, float


def loads(text: str) -> Any:
    """Returns one JSON value. Raises ValueError if it is none, or cut off."""
    try:
        return make_scanner(_Plain)(text.strip(), 0)[0]  # pyright: ignore[reportArgumentType]
    except StopIteration as error:
        raise ValueError(f"not JSON: {text[:40]!r}") from error


def dumps(value: object) -> str:
    """Returns JSON in ASCII; undecodable bytes in text (lone surrogates) survive."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return encode_basestring_ascii(value)
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{dumps(str(key))}: {dumps(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(dumps, value)) + "]"
    raise TypeError(f"cannot be written as JSON: {value!r}")


def read(path: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Returns what a file says; None if there is none, or nothing whole is in it (after a power cut)."""
    try:
        return loads(read_text(path))
    except (FileNotFoundError, ValueError):
        return None


def read_text(path: str | os.PathLike[str]) -> str:
    """Returns what a small file says. ``open`` would take five times as long. Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        text = b""
        while piece := os.read(fd, 1 << 16):
            text += piece
    finally:
        os.close(fd)
    return text.decode(errors="replace")


def reserve(path: str) -> None:
    """Take the blocks that `write_last` needs where the file system has become full. Raises OSError."""
    fd = os.open(f"{path}{ROOM}", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.write(fd, b" " * ROOM_BYTES)
    finally:
        os.close(fd)


def write_last(path: str, value: dict[str, Any]) -> None:
    """Replace a file as `write` does; on a full file system, in the blocks that were reserved for it."""
    try:
        write(path, value)
    except OSError:
        fd = os.open(f"{path}{ROOM}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, dumps(value).encode("ascii"))  # blanks behind it do no harm
        finally:
            os.close(fd)
        os.rename(f"{path}{ROOM}", path)


def write(path: str | os.PathLike[str], value: dict[str, Any]) -> None:
    """Replace a file, readable by this user only. It is there as a whole or not at all.

    After a power cut it may be empty, and counts as missing: of a unit nothing is left then anyway.
    """
    fresh = f"{os.fspath(path)}.{os.getpid()}.new"
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        left = dumps(value).encode("ascii") + b"\n"
        while left:
            left = left[os.write(fd, left) :]
    finally:
        os.close(fd)
    os.rename(fresh, path)
