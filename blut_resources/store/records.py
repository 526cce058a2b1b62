"""Finds an artifact by its digest, and says whether its bytes are still those that the digest names."""

import contextlib
import errno
import os
from pathlib import Path

from blut_resources.files.digest import Hashed, Tree, digest_bytes, digest_files, list_tree
from blut_resources.files.durable import (
    ArtifactDamaged,
    ArtifactElsewhere,
    ArtifactMissing,
    StoreError,
    write_atomic,
)
from blut_resources.store.manifest import (
    ManifestRecord,
    check_content,
    check_names,
    load_index,
    manifest,
    parse,
    read,
    recorded_on,
    save_index,
)
from blut_resources.store.places import StorePlaces, is_digest
from blut_resources.store.seen import MANY, Look, Note, look, look_around, read_note, write_note


class StoreRecords(StorePlaces):
    """Reads what the store in ``root`` has written down of its artifacts, and compares it with the bytes."""

    def _record(self, digest: str) -> ManifestRecord:
        if not is_digest(digest):
            raise ArtifactMissing(f"{digest}: not a digest of 64 hex digits; materialize the asset again")
        entry = self.entry(digest)
        if self._has_entry(digest):
            path = self.record_path(digest, external=False)
            files, _, _ = parse(read(path), digest)
            return ManifestRecord(path, entry / "data", False, self.index_path(digest), False, files)
        path = self.record_path(digest, external=True)
        files, partial, place = parse(read(path), digest)
        if files is None or place is None:
            raise ArtifactMissing(f"{digest}: not in the store {self.root}; materialize its asset again")
        return ManifestRecord(path, Path(place), True, self.reference_index(Path(place)), partial, files)

    def _has_entry(self, digest: str) -> bool:
        """Says whether the bytes of an artifact are in the store; before it says no, it lists the directory.

        That makes a file server's client ask for what another machine has put there a moment ago.
        """
        entry = self.entry(digest)
        if os.path.lexists(entry / "data"):
            return True
        with contextlib.suppress(OSError):
            return digest in os.listdir(entry.parent) and os.path.lexists(entry / "data")  # noqa: PTH208
        return False

    def _verified(self, digest: str, *, full: bool) -> ManifestRecord:
        """Returns where an artifact is, see `_compared`; one that goes meanwhile is looked for once more."""
        try:
            return self._compared(digest, full=full)
        except ArtifactDamaged as error:
            if not _is_stale(error):
                raise
        try:
            return self._compared(digest, full=full)
        except ArtifactDamaged as error:
            if not _is_stale(error):
                raise
            gone = f"{digest}: another machine has removed it from the store {self.root}"
            raise ArtifactMissing(gone) from error

    def _compared(self, digest: str, *, full: bool) -> ManifestRecord:
        """Returns where an artifact is, whose bytes were looked at; without its files, if there are many."""
        if not full and (recognised := self._recognised(digest)):
            return recognised
        record = self._record(digest)
        if record.external and not os.access(record.location, os.R_OK):
            _refuse_elsewhere(digest, record)
            raise ArtifactMissing(
                f"{digest}: {record.location} is gone or unreadable; restore it, or materialize the asset "
                "from its new place"
            )
        known = load_index(record.stamps)
        try:
            tree = self._listed(record)
            found = digest_files(tree.root, tree.names, {} if full else known)
            if self.remembers and any(known.get(name) != hashed for name, hashed in found.items()):
                save_index(record.stamps, known | found if record.partial else found)
            check_content(record, digest, tree.is_file, found)
        except StoreError as error:
            _refuse_elsewhere(digest, record)
            self._forget(digest, record)
            raise ArtifactDamaged(f"artifact {digest}: {error}") from error
        if record.files is None and self.remembers:
            with contextlib.suppress(StoreError):
                write_atomic(record.path, manifest(tree.is_file, found))
        self._remember(digest, record, tree, found)
        return record

    def _listed(self, record: ManifestRecord) -> Tree:
        if record.partial and record.files is not None:
            return Tree(record.location, False, sorted(record.files))
        tree = list_tree(record.location, "any" if record.external else "refuse")
        check_names(record, tree)
        return tree

    def _recognised(self, digest: str) -> ManifestRecord | None:
        """Returns where an artifact of many files is, all of which look as when they were last compared."""
        note = read_note(self.note_path(digest)) if is_digest(digest) else None
        if note is None or note.digest != digest:
            return None
        external = note.place != ""
        location = Path(note.place) if external else self.entry(digest) / "data"
        path = self.record_path(digest, external)
        if external == os.path.lexists(self.entry(digest) / "data") or self._proof(path) != note.record:
            return None
        now = _looked(location, note.names, external)
        if now is None or now.state != note.state:
            return None
        stamps = self.reference_index(location) if external else self.index_path(digest)
        return ManifestRecord(path, location, external, stamps, note.names is not None, None)

    def _forget(self, digest: str, record: ManifestRecord) -> None:
        """Have the files looked at one by one again: bytes may have changed that no stamp betrays."""
        if not self.remembers:
            return
        with contextlib.suppress(OSError):
            self.note_path(digest).unlink(missing_ok=True)
            if record.external:
                self.reference_note(record.location).unlink(missing_ok=True)

    def _remember(self, digest: str, record: ManifestRecord, tree: Tree, found: dict[str, Hashed]) -> None:
        if len(tree.names) < MANY or not self.remembers:
            return
        names = tree.names if record.partial else None
        now = _looked(record.location, names, record.external)
        if now and all(found[name].stamp == stamp for name, stamp in zip(now.names, now.stamps, strict=True)):
            place = str(record.location) if record.external else ""
            write_note(
                self.note_path(digest), Note(now.state, digest, self._proof(record.path), place, names)
            )

    def _proof(self, record: Path) -> str:
        """Returns the digest of a manifest's own bytes: it proves as much as reading it would."""
        return digest_bytes(read(record) or b"")


def _refuse_elsewhere(digest: str, record: ManifestRecord) -> None:
    """Refuse what another machine has recorded, where it still may be, and this one has not got."""
    if record.external and (other := recorded_on(record)):
        raise ArtifactElsewhere(
            f"{digest}: {record.location} is on {other}, not here: run this on {other}, or materialize the"
            " asset that reads it from a copy here"
        )


def _is_stale(error: BaseException | None) -> bool:
    """Says whether a file was deleted by another machine while it was read here."""
    while error is not None:
        if isinstance(error, OSError) and error.errno == errno.ESTALE:
            return True
        error = error.__cause__
    return False


def _looked(location: Path, names: list[str] | None, external: bool) -> Look | None:
    try:
        return look_around(location, follow=external) if names is None else look(location, names)
    except OSError:
        return None
