"""Lists what lies in the user's cache, and removes it where nobody is at work with it.

All of it may go: it is downloaded or built again. What is being built holds a lock beside it; a process that
has it open, mapped, or runs from it is found by what the kernel says of the user's processes.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from blut_resources.files.durable import StoreError, acquire, explained, random_name, release, remove_tree
from blut_resources.payload_kit.cache import cache_root

SAMPLES = ("samples", "models")
"""Directories of the cache in which each entry is a sample that was downloaded."""
GONE = ".removed-"


class Cached(NamedTuple):
    """Describes one entry of the user's cache.

    ``used`` is when anything in it was written last, in seconds since 1970.
    """

    name: str
    path: Path
    n_bytes: int
    used: float
    sample: bool


def cached() -> list[Cached]:
    """Returns the entries of the user's cache, the largest first."""
    root, found = cache_root(), list[Cached]()
    for path in _children(root):
        if path.name in SAMPLES:
            found += [_entry(f"{path.name}/{one.name}", one, sample=True) for one in _children(path)]
        else:
            found.append(_entry(path.name, path, sample=False))
    return sorted(found, key=lambda one: -one.n_bytes)


def _children(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return [path for path in directory.iterdir() if path.name[0] != "."]


def _entry(name: str, path: Path, *, sample: bool) -> Cached:
    n_bytes, used = 0, 0.0
    for member in [path, *(path.rglob("*") if path.is_dir() and not path.is_symlink() else ())]:
        with contextlib.suppress(FileNotFoundError):
            status = member.lstat()
            n_bytes += status.st_blocks * 512 if member.is_file() else 0
            used = max(used, status.st_mtime)
    return Cached(name, path, n_bytes, used, sample)


def remove(entry: Cached, *, dry_run: bool = False) -> str:
    """Remove an entry, whole or not at all; returns why it stays, empty if it is gone.

    Raises:
        StoreError: the filesystem refuses.
    """
    locks = [entry.path.with_name(f".{entry.path.name}.lock"), *entry.path.glob(".*.lock")]
    with contextlib.ExitStack() as held:
        for lock in locks:
            if not lock.exists():
                continue
            file = acquire(lock, wait=False)
            if file is None:
                return "it is being built at this moment"
            held.callback(release, file)
        if pid := next(_users(entry.path), None):
            return f"process {pid} uses it"
        if dry_run or not os.path.lexists(entry.path):
            return ""
        gone = entry.path.with_name(f"{GONE}{random_name()}")
        with explained(entry.path):
            entry.path.rename(gone)
    remove_tree(gone)
    return ""


def _users(path: Path) -> Iterator[int]:
    """Yields processes that have something below a path open or mapped, run from it, or were told of it."""
    below = os.fsencode(path.resolve())
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid() and _uses(process, below):
            yield int(process.name)


def _uses(process: Path, below: bytes) -> bool:
    names: list[bytes] = []
    with contextlib.suppress(OSError):
        names += [os.fsencode(os.readlink(process / word)) for word in ("exe", "cwd")]  # noqa: PTH115
    with contextlib.suppress(OSError):
        for file in (process / "fd").iterdir():
            with contextlib.suppress(OSError):
                names.append(os.fsencode(os.readlink(file)))  # noqa: PTH115
    if any(name == below or name.startswith(below + b"/") for name in names):
        return True
    with contextlib.suppress(OSError):
        if below + b"/" in (process / "maps").read_bytes():
            return True
    with contextlib.suppress(OSError):
        return any(
            word == below or word.startswith(below + b"/")
            for word in (process / "cmdline").read_bytes().split(b"\0")
        )
    return False


def sweep(older_s: float = 3600.0) -> None:
    """Remove what a process that was killed while it removed an entry has left."""
    for place in (cache_root(), *(cache_root() / name for name in SAMPLES)):
        for path in place.glob(f"{GONE}*") if place.is_dir() else ():
            with contextlib.suppress(OSError, StoreError):
                if time.time() - path.lstat().st_ctime > older_s:
                    remove_tree(path)
