"""Recognises many files at once: by one digest of all their names and stamps, instead of a row for each.

A look is one stat a file, and what it costs beyond that is a few hundredths of a second for 100,000 files.
The note beside the index says which artifact it was when each of them had been hashed, or had a stamp that
stood. It is believed for exactly these names and stamps; lost or torn, it only costs the longer way.
"""

import contextlib
import gc
import json
import marshal
import os
from collections.abc import Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import blake3

from blut_resources.files.digest import Hashed, Stamp
from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.store.manifest import read

SCHEMA = "blut.seen.v1"
MANY = 256
"""Files from which on a note is worth a file of its own."""
FORMAT = 2
"""Of `marshal`: the same values give the same bytes."""
_stamp = attrgetter("st_size", "st_mtime_ns", "st_ino", "st_ctime_ns")


class Look(NamedTuple):
    """Holds the stamps of files, in the order of their names relative to a root."""

    names: Sequence[str]
    stamps: Sequence[Stamp]

    @property
    def state(self) -> str:
        """Returns a digest of all of it."""
        return blake3.blake3(marshal.dumps((list(self.names), list(self.stamps)), FORMAT)).hexdigest()

    @property
    def n_bytes(self) -> int:
        """Returns the bytes of all files."""
        return sum(stamp[0] for stamp in self.stamps)


def look(root: Path, names: Sequence[str]) -> Look:
    """Ask for the stamps of files; a link counts as the file that it leads to.

    Args:
        root: the directory, or the file if the only name is ``""``.
        names: relative names.

    Raises:
        OSError: one of them is not there, or cannot be looked at.
    """
    if list(names) == [""]:
        return Look(names, [_stamp(root.stat())])
    collected = gc.isenabled()
    gc.disable()  # a list of so many small things is searched for garbage again and again
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return Look(names, list(map(_stamp, map(partial(os.stat, dir_fd=directory), names))))
    finally:
        os.close(directory)
        if collected:
            gc.enable()


def look_around(root: Path, *, follow: bool) -> Look | None:
    """Ask for the stamps of all files in a directory and below, in the order in which it lists them.

    Args:
        root: the directory.
        follow: whether a link counts as the file that it leads to.

    Returns:
        None where something in it is neither a directory nor such a file.

    Raises:
        OSError: something cannot be looked at.
    """
    names: list[str] = []
    stamps: list[Stamp] = []
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(f"{prefix}{entry.name}/")
                elif entry.is_file(follow_symlinks=follow):
                    names.append(prefix + entry.name)
                    stamps.append(_stamp(entry.stat()))
                else:
                    return None
    return Look(names, stamps)


def of_hashed(files: dict[str, Hashed], names: Sequence[str]) -> Look | None:
    """Returns the look that files had when they were hashed; None where one cannot be known again."""
    stamps = [stamp for name in names if (stamp := files[name].stamp)]
    return Look(names, stamps) if len(stamps) == len(names) else None


class Note(NamedTuple):
    """Says which artifact files were, whose look had this ``state``.

    Attributes:
        record: the digest of the manifest's bytes, which proves that it is the one that was read then.
        place: where the files are, if not in the store.
        names: those of the files, where others may lie beside them.
    """

    state: str
    digest: str
    record: str
    place: str = ""
    names: list[str] | None = None


def read_note(path: Path) -> Note | None:
    """Returns a note; None where there is none, or none that can be read."""
    try:
        head, _, rest = (read(path) or b"").partition(b"\n")
        said: Any = json.loads(head)
        names = rest.decode().split("\0") if said.pop("names") else None
        known = said.pop("schema") == SCHEMA
        return Note(**said, names=names) if known else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def write_note(path: Path, note: Note) -> None:
    """Keep a note; a store that cannot be written goes without."""
    head = {"schema": SCHEMA, **note._asdict(), "names": note.names is not None}
    text = f"{json.dumps(head)}\n" + "\0".join(note.names or ())
    with contextlib.suppress(StoreError):
        write_atomic(path, text.encode(), durable=False)
