"""Finds the lists that lie beside recordings, by their names. Reads no file."""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cookbooks.lamquant.formats.edf.names import SUFFIX

TUH = ("csv_bi", "csv", "tse_bi", "tse", "rec")
OF_A_DIRECTORY = {
    "summary": re.compile(r".*-summary\.txt", re.IGNORECASE),
    "siena": re.compile(r"Seizures-list-.*\.txt", re.IGNORECASE),
}
MODALITY = re.compile(r"_(i?eeg)$", re.IGNORECASE)


class Listing(NamedTuple):
    """Names a list and what it is."""

    source: str
    name: str


class Directory:
    """Holds the names of the files in one directory of recordings."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = sorted(names)

    @cached_property
    def recordings(self) -> list[str]:
        """Returns the names of the recordings, as lists give them: without ``.gz``."""
        return [without_gz(name) for name in self._names if SUFFIX.search(name)]

    @cached_property
    def _by_name(self) -> Mapping[str, list[str]]:
        found = defaultdict(list)
        for name in self._names:
            found[name.casefold()].append(name)
        return found

    @cached_property
    def _of_all(self) -> list[Listing]:
        return [
            Listing(source, name)
            for source, pattern in OF_A_DIRECTORY.items()
            for name in self._names
            if pattern.fullmatch(name) and not name.startswith(".")
        ]

    def of(self, recording: str) -> list[Listing]:
        """Returns the lists that may be about a recording; the names of files, in any case."""
        name = without_gz(recording)
        stem = SUFFIX.sub("", name)
        wanted = [(source, f"{stem}.{source}") for source in TUH]
        wanted.append(("seizures", f"{name}.seizures"))
        if MODALITY.search(stem):
            wanted.append(("bids", MODALITY.sub("_events.tsv", stem)))
        found = [
            Listing(source, own) for source, name in wanted for own in self._by_name.get(name.casefold(), [])
        ]
        return found + self._of_all


def without_gz(name: str) -> str:
    """Returns the name of a recording as it is when it is not compressed."""
    return name[:-3] if name.lower().endswith(".gz") else name


def lists_beside(root: Path, recordings: Iterable[str]) -> tuple[list[Path], list[Path]]:
    """Returns the lists beside recordings, which are relative to ``root``: those that can be read, and those
    that cannot.

    What is neither a file nor a link to one inside ``root`` cannot, and what has a name that is not UTF-8.
    """
    of_directory: dict[Path, list[str]] = defaultdict(list)
    for recording in recordings:
        path = root / recording
        of_directory[path.parent].append(path.name)
    inside = root.resolve()
    usable: set[Path] = set()
    others: set[Path] = set()
    for folder, names in of_directory.items():
        directory = Directory(os.listdir(folder))  # noqa: PTH208
        found = {folder / one.name for name in names for one in directory.of(name)}
        good = {path for path in found if _is_plain(path, inside)}
        usable |= good
        others |= found - good
    return sorted(usable), sorted(others)


def _is_plain(path: Path, inside: Path) -> bool:
    try:
        path.name.encode()
        is_inside = not path.is_symlink() or path.resolve().is_relative_to(inside)
        return path.is_file() and is_inside and os.access(path, os.R_OK)
    except (OSError, RuntimeError, UnicodeEncodeError):
        return False


def directories(relatives: Iterable[PurePosixPath]) -> dict[PurePosixPath, Directory]:
    """Returns what is in each directory of a listing."""
    names: dict[PurePosixPath, list[str]] = defaultdict(list)
    for relative in relatives:
        names[relative.parent].append(relative.name)
    return {folder: Directory(found) for folder, found in names.items()}
