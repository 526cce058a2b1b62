"""Finds the recordings of a directory: by their names, without opening one.

Made for many: names are strings, and nothing is asked of the system twice.
"""

import os
from pathlib import Path
from typing import NamedTuple

from blut_resources.text import one_line

SUFFIXES = (".edf", ".bdf", ".edf.gz", ".bdf.gz")
LOOKED_FOR = {"edf": SUFFIXES, "lma": (".lma", ".lml")}
"""What is looked for in a root, by its kind."""
NOT_DATA = frozenset(
    {"$recycle.bin", "system volume information", "lost+found", "@eadir", "@recycle", "#recycle", "#snapshot"}
    | {"@recently-snapshot", "~snapshot", "__macosx"}
)
"""Directories that systems and file servers make, beside those that begin with a dot: copies, and what was
deleted."""
FETCH = "fetch the file (git annex get, datalad get), or delete the link"
RENAME = "rename it, in letters that UTF-8 has"


class PassedOver(NamedTuple):
    """Names what looks like a recording and cannot be one, relative to the root; with the reason."""

    file: str
    problem: str
    remedy: str


class Found(NamedTuple):
    """Holds what was found: names relative to the root, with ``/``, sorted; and what was passed over."""

    names: list[str]
    passed_over: list[PassedOver]


def find_recordings(root: str | Path, suffixes: tuple[str, ...] = SUFFIXES) -> Found:
    """Returns the EDF and BDF files under a directory, compressed ones too; suffixes in any case.

    Links are followed, each directory once, under its own name where it has one below the root; so a
    DataLad tree is read under its visible names. Hidden files and directories are left out without a word:
    among them are git-annex's objects, snapshots, deleted files, and what macOS writes beside each file.

    Args:
        root: the directory.
        suffixes: what the names of other files end with that are to be found in the same way.

    Raises:
        OSError: the root itself cannot be listed.
    """
    walk = _Walk(os.fspath(root), suffixes)
    walk.directory("")
    while walk.links:
        # of two links to one directory the same one must be followed everywhere
        name = min(walk.links)
        walk.links.remove(name)
        walk.directory(name)
    return Found(sorted(walk.names), sorted(walk.passed_over))


class _Walk:
    """Lists directories; links to directories wait until all that have a name of their own are known."""

    def __init__(self, root: str, suffixes: tuple[str, ...]) -> None:
        self._root, self._suffixes, self._seen = root, suffixes, set[tuple[int, int]]()
        self.names: list[str] = []
        self.passed_over: list[PassedOver] = []
        self.links: list[str] = []

    def directory(self, name: str) -> None:
        """List one directory and those below it."""
        waiting = [name]
        while waiting:
            directory = waiting.pop()
            before = len(self.names)
            below = self._list(directory)
            waiting += below
            if directory and self._counts(directory) and not below and len(self.names) == before:
                endings = " and ".join(one for one in self._suffixes if one.count(".") == 1)
                self._pass(directory, "is a directory", f"rename it: {endings} are for files")

    def _list(self, directory: str) -> list[str]:
        """Take the recordings of one directory; returns the directories in it."""
        path, prefix = Path(self._root, directory), f"{directory}/" if directory else ""
        below: list[str] = []
        try:
            status = path.stat()
            if (status.st_dev, status.st_ino) in self._seen:
                return below
            self._seen.add((status.st_dev, status.st_ino))
            with os.scandir(path) as entries:
                for entry in entries:
                    if entry.name[0] != "." and entry.name.lower() not in NOT_DATA:
                        self._take(entry, prefix + entry.name, below)
        except OSError as error:
            if not directory:
                raise
            problem = f"the directory cannot be read ({error.strerror or type(error).__name__})"
            self._pass(directory, problem, "give this user permission to read it")
        return below

    def _take(self, entry: os.DirEntry[str], name: str, below: list[str]) -> None:
        if entry.is_dir(follow_symlinks=False):
            below.append(name)
        elif entry.is_symlink() and _leads_to_directory(entry):
            self.links.append(name)
        elif not self._counts(entry.name):
            return
        elif entry.is_symlink() and not _leads_somewhere(entry):
            self._pass(name, "is a link that leads nowhere", FETCH)
        elif not entry.is_file():
            self._pass(name, "is not a regular file", "put the recording itself there")
        elif not name.isascii() and not _is_utf8(name):
            self._pass(name, "its name is not UTF-8", RENAME)
        else:
            self.names.append(name)

    def _counts(self, name: str) -> bool:
        return name.lower().endswith(self._suffixes)

    def _pass(self, name: str, problem: str, remedy: str) -> None:
        self.passed_over.append(PassedOver(one_line(name), problem, remedy))


def _leads_to_directory(link: os.DirEntry[str]) -> bool:
    return _leads_somewhere(link) and link.is_dir()


def _leads_somewhere(link: os.DirEntry[str]) -> bool:
    try:
        link.stat()
    except OSError:
        return False
    return True


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
