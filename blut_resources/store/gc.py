"""Collects the garbage of the artifact store.

An artifact goes if it is not kept, was not put or opened within the grace, and nobody holds its locks. It
disappears by one rename under those locks and is deleted afterwards, so a reader finds it whole or not at
all.
"""

# What makes it safe beside readers and writers, without a lock on the whole store:
#
# A reference count does not work: a run that is killed never counts down, and a history that was deleted
# takes its counts along. A lock on the store does not work: a training holds its inputs for days. So each
# digest has two locks, `put` and `use`, and this asks for both without waiting; a reader holds `use` shared
# from before it opens. Order: a reader takes the lock *first* and opens then, else a collection between the
# two would delete what it is about to read. Writers and collector take `put`, then nothing is published or
# set aside while it is being removed.
#
# The locks alone leave a gap: bytes that were put, or looked up for a reuse, and whose event is not stored
# yet belong to nobody's `keep`. The grace covers it, by the time of the manifest, which `put` and `open`
# renew; therefore that time is read a second time under the locks, after the list was made.
#
# Deleting in place would show a reader of a directory some of its files. The entry is renamed into staging,
# where this process's mark speaks for it, and removed there with no lock held: a collector that is killed
# leaves staging of a dead process, which the next one sweeps. Lock files are deleted while they are held;
# `acquire` compares inode and name after locking, so a lock on a deleted file excludes nobody and is taken
# again. What cannot be told to be dead (another machine's, another container's) stays; only staging of older
# versions, which left no word of their process, goes by its age.

import contextlib
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from blut_resources.boxes.takeover import SUPERSEDED
from blut_resources.files.durable import StoreError, acquire, explained, namespace_tag, release, remove_tree
from blut_resources.files.full import is_full
from blut_resources.machine import liveness
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactStore, StoredArtifact
from blut_resources.store.manifest import stat_directory
from blut_resources.store.sharing import Inode, bytes_freed, bytes_held, linked, stamps_kept
from blut_resources.store.work import owner

NEWEST = 3
"""Different results of each asset that a collection keeps, where nobody says how many."""
GRACE_S = 3600.0
DAY_S = 86400.0
FOREIGN_STAGING_S = 30 * DAY_S
"""Staging of an older version that left no word of its process, in another boot or container."""
QUARANTINE_S = 7 * DAY_S
WORK_S = 30 * DAY_S
TEMPORARY_S = DAY_S


Told = Callable[[int, int], object]


def unheard(done: int, more: int) -> None:
    """Do nothing with it."""


class CollectReport(NamedTuple):
    """Says what garbage collection did, or would do.

    ``spared`` might go, and there was room for it. ``bytes_left`` are the store's own; None where nobody
    asked for a limit. ``bytes_recent`` stay for having been put or opened lately, the last of them until
    ``recent_until``, in seconds since 1970.
    """

    removed: tuple[str, ...]
    bytes_freed: int
    in_use: tuple[str, ...]
    recent: tuple[str, ...]
    leftovers: tuple[Path, ...]
    spared: tuple[str, ...] = ()
    bytes_left: int | None = None
    bytes_recent: int = 0
    recent_until: float | None = None


def collect(
    store: ArtifactStore,
    keep: Collection[str],
    *,
    in_use_grace_s: float = GRACE_S,
    dry_run: bool = False,
    max_bytes: int | None = None,
    recent_from: float | None = None,
    told: Told = unheard,
) -> CollectReport:
    """Delete what is not in ``keep``, not in use, and was not put or opened within the grace.

    Leftovers of dead processes and long-abandoned work go too. Of bytes outside the store only the record
    is deleted. It may run beside anything.

    Args:
        max_bytes: what the store may hold: of what may go, only so much goes, what was used longest ago
            first. All of it by default.
        recent_from: what was put or opened since then stays, in seconds since 1970, in place of the grace.
        told: hears how many artifacts were looked at, and how many more are about to be.
    """
    kept = frozenset(keep)
    by_fate: dict[str, list[str]] = {"removed": [], "in_use": [], "recent": [], "gone": [], "spared": []}
    freed, going = 0, Counter[Inode]()
    leftovers = _sweep(store.root, in_use_grace_s, dry_run)
    # what is touched while this works is recent too, however short the grace is
    cutoff = time.time() - in_use_grace_s if recent_from is None else recent_from
    until, waiting, spare = None, 0, Counter[Inode]()
    items = sorted(store.list(), key=lambda item: item.created)
    left = None if max_bytes is None else bytes_held(item.location for item in items if not item.external)
    told(0, len(items))
    for item in items:
        told(1, 0)
        if item.digest in kept:
            continue
        young = item.created > cutoff
        alone = 0 if young or item.external else bytes_freed(item.location, going)
        room = max_bytes is not None and left is not None and (left <= max_bytes or item.external)
        fate = "recent" if young else "spared" if room else _consider(store, item, cutoff, dry_run)
        by_fate[fate].append(item.digest)
        if fate == "recent":
            until = max(until or 0.0, item.created + in_use_grace_s)
            waiting += 0 if item.external else bytes_freed(item.location, spare)
            spare.update(linked(item.location))
        if fate == "removed":
            freed += alone
            left = None if left is None else left - alone
            going.update(linked(item.location))  # of a dry run: it is still there
    freed += sum(leftovers.values())
    if not dry_run:
        results.drop_without_bytes(store.root, store.knows)
    return CollectReport(
        tuple(by_fate["removed"]),
        freed,
        tuple(by_fate["in_use"]),
        tuple(by_fate["recent"]),
        tuple(sorted(leftovers)),
        tuple(by_fate["spared"]),
        left,
        waiting,
        until,
    )


def _consider(store: ArtifactStore, item: StoredArtifact, cutoff: float, dry_run: bool) -> str:
    paths = [store.lock_path(item.digest, purpose) for purpose in ("put", "use")]
    free: list[Path] = []
    with contextlib.ExitStack() as held:
        for path in paths:
            if dry_run and not path.exists():  # nobody holds it, and it is not made in order to look
                continue
            try:
                file = acquire(path, wait=False)
            except StoreError as error:
                if not is_full(error) or path.exists():
                    raise
                free.append(path)  # there is no room for a lock, so nobody has it
                continue
            if file is None:
                return "in_use"
            held.callback(release, file)
        note = store.record_path(item.digest, item.external)
        with explained(note):
            # Read again under the locks: someone may have put or opened it since it was listed.
            if note.exists() and note.stat().st_mtime > cutoff:
                return "recent"
            if not os.path.lexists(note if item.external else item.location):
                return "gone"
            trash = None if dry_run else _detach(store, item, note)
            if trash is not None and any(path.exists() for path in free):  # somebody has come meanwhile
                trash.rename(store.entry(item.digest))
                return "in_use"
            if not dry_run:
                for path in paths:
                    path.unlink(missing_ok=True)
    if trash is not None:
        store.discard(trash)
    return "removed"


def _detach(store: ArtifactStore, item: StoredArtifact, note: Path) -> Path | None:
    store.note_path(item.digest).unlink(missing_ok=True)
    if item.external:
        note.unlink(missing_ok=True)
        return None
    trash = store.aside()
    store.entry(item.digest).rename(trash)
    store.index_path(item.digest).unlink(missing_ok=True)
    return trash


def _sweep(root: Path, grace_s: float, dry_run: bool) -> dict[Path, int]:
    """Delete what dead processes left, and give the bytes of each."""
    result: dict[Path, int] = {}
    for path in [*_find_dead(root), *_find_old_temporaries(root)]:
        with explained(path):
            if not os.path.lexists(path):
                continue
            result[path] = _measure(path)
            if not dry_run:
                with stamps_kept(root, path):
                    remove_tree(path)
    if not dry_run:
        for path in _list_children(root / "holders"):
            if liveness.marked(path) == "no":
                liveness.remove_mark(path)
        for path in _list_children(root / "locks"):
            if _age(path) >= grace_s:
                _drop_lock(path)
    return result


def _find_dead(root: Path) -> Iterator[Path]:
    for path in _list_children(root / "staging"):
        pid, tag, *_ = [*path.name.split("-"), ""]
        if _holder_is_dead(root / "holders" / f"{pid}-{tag}", path, pid, tag):
            yield path
    yield from (path for path in _list_children(root / "quarantine") if _age(path) > QUARANTINE_S)
    for path in _list_children(root / "work"):
        if _age(path) > WORK_S and (owner(path) == "no" or (path / SUPERSEDED).exists()):
            yield path


def _holder_is_dead(mark: Path, staging: Path, pid: str, tag: str) -> bool:
    if mark.exists():
        return liveness.marked(mark) == "no"
    return _age(staging) > FOREIGN_STAGING_S if tag != namespace_tag() else not _is_alive(pid)


def _find_old_temporaries(root: Path) -> Iterator[Path]:
    for directory in (stat_directory(root), root / "external"):
        for path in _list_children(directory):
            if path.name.startswith(".tmp-") and _age(path) > TEMPORARY_S:
                yield path


def _is_alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (PermissionError, ValueError):
        pass
    return True


def _drop_lock(path: Path) -> None:
    file = acquire(path, wait=False)
    if file is not None:
        path.unlink(missing_ok=True)
        release(file)


def _list_children(directory: Path) -> list[Path]:
    return sorted(directory.iterdir()) if directory.is_dir() else []


def _walk(path: Path) -> Iterator[os.stat_result]:
    for member in [path, *(path.rglob("*") if path.is_dir() else ())]:
        with contextlib.suppress(FileNotFoundError):
            yield member.lstat()


def _measure(path: Path) -> int:
    return sum(status.st_size for status in _walk(path))


def _age(path: Path) -> float:
    """Returns the seconds since anything in it was written, or since it was moved there."""
    newest = max((max(status.st_mtime, status.st_ctime) for status in _walk(path)), default=time.time())
    return time.time() - newest
