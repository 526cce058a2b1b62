"""Says where the artifact store keeps what, and takes its locks."""

import atexit
import contextlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from blut_resources.boxes.probe import refuse_loose_locks
from blut_resources.boxes.takeover import SUPERSEDED, copy_state
from blut_resources.files.digest import digest_bytes
from blut_resources.files.durable import (
    StoreError,
    acquire,
    explained,
    file_lock,
    process_tag,
    release,
    remove_tree,
    write_atomic,
)
from blut_resources.machine.liveness import Mark
from blut_resources.store.manifest import stat_directory

_HEX = frozenset("0123456789abcdef")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
_marks: dict[Path, Mark] = {}
"""Of this process and of those that it was forked from, which ended or go on with theirs."""


class StorePlaces:
    """Names the directories and takes the locks of a store under ``root``. Making one touches no disk."""

    root: Path
    remembers: bool

    def __init__(self, root: Path, *, remembers: bool = True) -> None:
        """Name the store; no disk is touched.

        Args:
            remembers: whether files that were compared are noted as such; a process that only reads changes
                nothing.
        """
        self.root, self.remembers = Path(root).absolute(), remembers

    def staging(self) -> Path:
        """Returns a fresh empty directory on the store's filesystem, private to this process."""
        own = process_tag()
        refuse_loose_locks(self.root / "locks")
        path, mark = self.root / "staging" / f"{own}-{os.urandom(6).hex()}", self.holder_path(own)
        with explained(path):
            if mark not in _marks:
                _marks[mark] = Mark(mark)
                atexit.register(_unmark, mark, os.getpid())
            path.mkdir(parents=True)
        return path

    def aside(self) -> Path:
        """Returns a name in the staging directory for what is to be deleted.

        Nothing is made for it, not even the mark of this process, where the file system has no room for that:
        it is made room there.
        """
        own = process_tag()
        with contextlib.suppress(OSError, StoreError):
            self.staging().rmdir()  # there is a mark now, and the directory
        return self.root / "staging" / f"{own}-{os.urandom(6).hex()}"

    def holder_path(self, tag: str) -> Path:
        """Returns the mark of the process whose staging directories begin with this tag."""
        return self.root / "holders" / tag

    def work_dir(self, fingerprint: str) -> Path:
        """Returns the directory for resumable state of one fingerprint, made if need be."""
        path = self.work_path(fingerprint)
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def work_path(self, fingerprint: str) -> Path:
        """Returns where that is, or would be; nothing is made."""
        return self._attempts(fingerprint)[-1]

    def _attempts(self, fingerprint: str) -> list[Path]:
        """Returns the directories of one fingerprint; all but the last are left to machines that are gone."""
        name = _safe(fingerprint)
        found = [self.root / "work" / name]
        while (found[-1] / SUPERSEDED).exists():
            found.append(found[0].with_name(f"{name}.{len(found) + 1}"))
        return found

    def supersede_work(self, fingerprint: str, words: str) -> Path:
        """Go on in another directory with a copy of the state, and leave this one to who may yet write there.

        Whoever calls this holds the fingerprint. Killed in between, it is done anew.

        Args:
            words: who goes on, for people.
        """
        before = self._attempts(fingerprint)
        after = before[0].with_name(f"{before[0].name}.{len(before) + 1}")
        with explained(after):
            remove_tree(after)
            copy_state(before[-1], after)
            write_atomic(before[-1] / SUPERSEDED, f"{words}\n".encode())
        return after

    def discard_work(self, fingerprint: str) -> None:
        """Delete the resumable state of one fingerprint."""
        path = self.work_path(fingerprint)
        with explained(path):
            remove_tree(path)

    def lock(self, name: str, meanwhile: Callable[[], object] = bool) -> AbstractContextManager[None]:
        """Returns an exclusive lock of that name; see ``file_lock``."""
        return file_lock(self._lock(name), meanwhile=meanwhile)

    def _lock(self, name: str) -> Path:
        return self.root / "locks" / f"{_safe(name)}.lock"

    @contextlib.contextmanager
    def in_use(self, digest: str) -> Iterator[None]:
        """Keep an artifact from being collected. Take it first, then ``open``.

        On a read-only store this does nothing: nobody can collect through it either.
        """
        try:
            held = acquire(self.lock_path(digest, "use"), shared=True)
        except StoreError:
            if os.access(self.root, os.W_OK):
                raise
            held = None
        try:
            yield
        finally:
            if held is not None:
                release(held)

    def entry(self, digest: str) -> Path:
        """Returns the directory of an artifact inside the store."""
        return self.root / "objects" / digest[:2] / digest

    def record_path(self, digest: str, external: bool) -> Path:
        """Returns the manifest or external record; its time is that of the last ``put`` or ``open``."""
        return self.root / "external" / f"{digest}.json" if external else self.entry(digest) / "manifest.json"

    def index_path(self, digest: str) -> Path:
        """Returns the stamps of an artifact inside the store."""
        return stat_directory(self.root) / f"{digest}.json"

    def note_path(self, digest: str) -> Path:
        """Returns how an artifact of many files looked when it was last compared with its manifest."""
        return stat_directory(self.root) / f"{digest}.seen"

    def reference_note(self, location: Path) -> Path:
        """Returns how many files outside the store looked when they were last recorded."""
        return self.reference_index(location).with_suffix(".seen")

    def lock_path(self, digest: str, purpose: str) -> Path:
        """Returns the lock file of one digest: ``put`` for writers, ``use`` for readers."""
        return self.root / "locks" / f"{_safe(digest)}.{purpose}"

    def reference_index(self, location: Path) -> Path:
        """Returns the stamps of files outside the store."""
        return stat_directory(self.root) / f"at-{digest_bytes(os.fsencode(location))}.json"


def _unmark(path: Path, pid: int) -> None:
    """Remove the mark at the end of the process that made it, and not of one forked from that."""
    if os.getpid() == pid:
        _marks[path].remove()


def is_digest(text: str) -> bool:
    """Says whether a text has the form of a digest."""
    return len(text) == 64 and _HEX.issuperset(text)


def _safe(name: str) -> str:
    plain = 0 < len(name) <= 200 and name[0] != "." and _PLAIN.issuperset(name)
    return name if plain else digest_bytes(name.encode())
