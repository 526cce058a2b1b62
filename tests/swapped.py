"""Somebody who writes a file at the very moment at which it is opened to be read."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_watched: list[tuple[Path, list[bytes], list[bytes]]] = []
_busy: list[bool] = []


@contextlib.contextmanager
def swapped_when_opened(path: Path, contents: list[bytes]) -> Iterator[list[bytes]]:
    """Each opening of ``path`` finds the next of these contents, and from then on the last.

    Yields what was found so far, an entry for each opening.
    """
    found: list[bytes] = []
    _watched.append((path, list(contents), found))
    try:
        yield found
    finally:
        _watched.pop()


def _audit(event: str, args: tuple[Any, ...]) -> None:
    if event != "open" or not _watched or _busy:
        return
    path, contents, found = _watched[-1]
    if isinstance(args[0], str | bytes | Path) and Path(str(args[0])) == path:
        _busy.append(True)
        try:
            found.append(contents.pop(0) if len(contents) > 1 else contents[0])
            path.chmod(0o644)
            path.write_bytes(found[-1])
        finally:
            _busy.pop()


sys.addaudithook(_audit)
