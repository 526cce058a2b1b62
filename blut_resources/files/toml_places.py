"""Finds the line of a TOML text in which a key stands, for errors that name it."""

import re
from collections import Counter
from collections.abc import Sequence

_WORD = r"""(?:"[^"\n]*"|'[^'\n]*'|[\w-]+)"""
_NAME = rf"{_WORD}(?:\s*\.\s*{_WORD})*"
_HEADER = re.compile(rf"\s*(?P<open>\[\[?)\s*(?P<name>{_NAME})\s*\]")
_KEY = re.compile(rf"\s*(?P<name>{_NAME})\s*=")


def place(path: object, text: str, keys: Sequence[str | int]) -> str:
    """Returns ``path:line`` of a key, or of the nearest table around it; ``path`` alone without one.

    Args:
        text: of the file.
        keys: names of tables and keys from the top on; a number is that of a table in an array of tables.
    """
    line = line_of(text, keys)
    return f"{path}:{line}" if line else str(path)


def line_of(text: str, keys: Sequence[str | int]) -> int | None:
    """Returns the line, counted from 1, in which a key or the nearest table around it begins; None if none.

    Text of several lines is not told from keys, which can only make the line a wrong one.
    """
    table: tuple[str | int, ...] = ()
    tables = Counter[tuple[str | int, ...]]()
    best, found = 0, None
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            table = _named(header["name"])
            if header["open"] == "[[":
                tables[table] += 1
                table = (*table, tables[table] - 1)
            seen = table
        elif key := _KEY.match(line):
            seen = (*table, *_named(key["name"]))
        else:
            continue
        if len(seen) > best and _leads(seen, keys):
            best, found = len(seen), number
    return found


def _leads(seen: Sequence[str | int], keys: Sequence[str | int]) -> bool:
    """Says whether what is seen is asked for, or is around it; a number stands for itself alone."""
    given = tuple(keys[: len(seen)])
    return tuple(seen) == given or (tuple(seen[:-1]) == tuple(keys) and isinstance(seen[-1], int))


def _named(text: str) -> tuple[str, ...]:
    return tuple(word.strip("\"'") for word in re.findall(_WORD, text))
