"""Lets artifacts of the store share files by hard links, so that one that grew costs what it grew by.

A link is another name of the same bytes: making or removing one moves the file's ctime, and nothing else that
a stamp holds. Whoever does it here renews the stamps, or each artifact with that file would be hashed again.
"""

# What is accepted as a link must be a file of the kin, by device and inode, read-only, and of the size and
# time that it had when it was hashed. A name that somebody outside of the store holds for it is as dangerous
# as it was for the kin: who may write there can write into both, and a stamp of either will show it. A link
# to any other file is copied, as ever: its owner may write to it and has promised nobody not to.

import contextlib
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from blut_resources.files.digest import Hashed, Tree, stamp_of
from blut_resources.store.manifest import ManifestRecord, load_index, restamped, save_index, stat_directory

Inode = tuple[int, int]
"""Device and inode: two names that have both equal are one file."""

_OWN_INDEX = re.compile(r"[0-9a-f]{64}\.json")


class Kin:
    """Holds the files that a new artifact may share with one that is in the store.

    Args:
        root: the store.
        record: of the one that is there; None for none.
    """

    def __init__(self, root: Path, record: ManifestRecord | None) -> None:
        self._root = root
        self.files: dict[Inode, Hashed] = {}
        stamps = load_index(record.stamps) if record else {}
        for name, hashed in (record.files or {} if record else {}).items():
            known, status = stamps.get(name), _status(record.location / name) if record else None
            if known and status and known.digest == hashed.digest and _as_hashed(known, status):
                self.files[status.st_dev, status.st_ino] = known

    def known(self, tree: Tree) -> dict[str, Hashed]:
        """Returns what is known of those files of a tree that are shared."""
        found: dict[str, Hashed] = {}
        for name in tree.names if self.files else ():
            status = _status(tree.root / name)
            one = self.files.get((status.st_dev, status.st_ino)) if status else None
            if status and one and _as_hashed(one, status):
                found[name] = one._replace(stamp=stamp_of(status))
        return found

    def restamp(self) -> None:
        """Keep what every artifact knows of these files, which have got names or lost some."""
        these = {(hashed.digest, hashed.stamp[:3]) for hashed in self.files.values() if hashed.stamp}
        if these:
            _renew(self._root, lambda one: bool(one.stamp) and (one.digest, one.stamp[:3]) in these)


@contextlib.contextmanager
def stamps_kept(root: Path, going: Path) -> Iterator[None]:
    """Keep what a store in ``root`` knows of files that lose a name in the block, where ``going`` goes."""
    lost = {stamp_of(status) for status in _statuses(going) if status.st_nlink > 1}
    try:
        yield
    finally:
        if lost:
            _renew(root, lambda one: one.stamp in lost)


def linked(path: Path) -> list[Inode]:
    """Returns the files below a path that have other names besides."""
    return [(status.st_dev, status.st_ino) for status in _statuses(path) if status.st_nlink > 1]


def bytes_held(paths: Iterable[Path]) -> int:
    """Returns the bytes below some paths; what is shared between them counts once."""
    statuses = (status for path in paths for status in _statuses(path))
    return sum({(one.st_dev, one.st_ino): one.st_size for one in statuses}.values())


def bytes_freed(path: Path, going: Mapping[Inode, int]) -> int:
    """Returns the bytes that go with a path: those of files that have no other name.

    Args:
        path: a file or directory.
        going: how many other names of a file are about to go as well.
    """
    return sum(
        status.st_size
        for status in _statuses(path)
        if status.st_nlink - going.get((status.st_dev, status.st_ino), 0) == 1
    )


def _renew(root: Path, wanted: Callable[[Hashed], bool]) -> None:
    kept = stat_directory(root)
    for index in sorted(kept.iterdir()) if kept.is_dir() else ():
        if not _OWN_INDEX.fullmatch(index.name):
            continue
        data, known = root / "objects" / index.stem[:2] / index.stem / "data", load_index(index)
        renewed = {
            name: restamped(hashed, data / name)
            for name, hashed in known.items()
            if wanted(hashed) and (data / name).exists()
        }
        if renewed:
            save_index(index, known | renewed)


def _status(path: Path) -> os.stat_result | None:
    with contextlib.suppress(OSError):
        return path.lstat()
    return None


def _as_hashed(known: Hashed, status: os.stat_result) -> bool:
    writable = status.st_mode & 0o222
    return known.stamp is not None and known.stamp[:3] == stamp_of(status)[:3] and not writable


def _statuses(path: Path) -> Iterator[os.stat_result]:
    for base, _, names in os.walk(path):
        for name in names:
            if status := _status(Path(base, name)):
                yield status
    if not path.is_dir() and (status := _status(path)):
        yield status
