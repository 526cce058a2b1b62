"""Keeps bytes under their digest: the artifact store.

::

    objects/ab/<digest>/data            the file or directory itself, files read-only
    objects/ab/<digest>/manifest.json   size and digest of each file; rebuilt from the bytes if lost
    external/<digest>.json              the same for bytes that stay where the user keeps them
    results/ab/<fingerprint>/           what was computed, see `results`
    stat/                               stamps of files already hashed; disposable
    staging/ work/ quarantine/ locks/   unfinished, resumable, damaged, taken

An entry appears by one rename of a finished directory, so a killed writer leaves nothing that can be
seen. The store may be moved or copied as a whole: the stamps no longer match, so the first look at an
artifact hashes it once.

The time of a manifest or external record is that of the last ``put`` or ``open``; garbage collection spares
what is younger than its grace. That covers the time between a ``put``, or a reuse of something old, and
the moment its event is stored. A run that reads longer than the grace holds ``in_use``.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from blut_resources.files.digest import (
    Hashed,
    Tree,
    digest_bytes,
    digest_files,
    digest_listing,
    read_digested,
)
from blut_resources.files.durable import (
    ArtifactDamaged,
    ArtifactMissing,
    StoreError,
    explained,
    file_lock,
    random_name,
    remove_tree,
    sync,
    write_atomic,
)
from blut_resources.store.intake import copy, freeze
from blut_resources.store.manifest import (
    ManifestRecord,
    manifest,
    recorded_on,
    restamped,
    save_index,
    summary_sizes,
    touch,
)
from blut_resources.store.places import is_digest
from blut_resources.store.references import References
from blut_resources.store.sharing import Kin, stamps_kept

if TYPE_CHECKING:
    from blut_resources.store.second import SecondTier

__all__ = [
    "ArtifactDamaged",
    "ArtifactMissing",
    "ArtifactStore",
    "StoreError",
    "StoredArtifact",
    "file_lock",
    "write_atomic",
]


class StoredArtifact(NamedTuple):
    """Describes one entry. ``created`` is when it was last put or opened, in seconds since 1970."""

    digest: str
    n_files: int
    n_bytes: int
    location: Path
    external: bool
    created: float


class ArtifactStore(References):
    """Keeps files and directories under ``root`` by their content. Making one touches no disk.

    Attributes:
        beyond: where what is missing here may still be; None for nowhere.
    """

    beyond: "SecondTier | None" = None

    def put(self, source: Path, kin: str | None = None) -> str:
        """Move a file or directory into the store and return its digest.

        Links to files inside become files, empty directories go. If the store has the same bytes already,
        the source is deleted; if what it has is damaged, that is set aside and replaced.

        Args:
            kin: the digest of an artifact in the store. A file of the source that is a hard link to one of
                its files stays one, and is not hashed again; any other link becomes a file of its own.

        Raises:
            StoreError: the disk is full, the store is read-only, or the source has no digest. The source
                stays where it is, and nothing of it can be seen in the store.
        """
        source = Path(source).absolute()
        self._refuse_own(source)
        if source.is_symlink():
            raise StoreError(f"{source}: is a symbolic link; name the file or directory itself")
        with explained(source), self._kin(kin) as shared:
            entry = self.staging()
            try:
                tree = freeze(source, shared.files)
                if source.lstat().st_dev != entry.stat().st_dev:
                    tree = freeze(copy(tree, entry / "copy"))
                files = digest_files(tree.root, tree.names, shared.known(tree))
                digest = digest_listing(tree.is_file, files)
                with file_lock(self.lock_path(digest, "put")):
                    if not self._holds_intact(digest):
                        self._publish(digest, tree, files, entry)
                remove_tree(source)
            finally:
                # Never what could not be moved back to the source.
                if not os.path.lexists(entry / "data"):
                    remove_tree(entry)
        return digest

    @contextlib.contextmanager
    def _kin(self, digest: str | None) -> Iterator[Kin]:
        """Yields what may be shared: nothing where there is no such artifact, or it lies outside."""
        record = None
        with contextlib.suppress(ArtifactMissing):
            record = self._record(digest) if digest else None
        kin = Kin(self.root, None if record and record.external else record)
        try:
            yield kin
        finally:
            kin.restamp()

    def discard(self, source: Path, kin: str | None = None) -> None:
        """Delete what was written to be put, with links to files of ``kin``, and is not wanted any more."""
        with explained(source), self._kin(kin), stamps_kept(self.root, source):
            remove_tree(source)

    def open(self, digest: str) -> Path:
        """Returns the path of an artifact's bytes, after a quick ``verify``; what is missing is pulled.

        Raises:
            ArtifactMissing: no such artifact, or its place outside the store is gone.
            ArtifactDamaged: the bytes are not what the digest names.
        """
        record = self._pulled(digest, lambda: self._verified(digest, full=False))
        touch(record.path)
        return record.location

    def _pulled(self, digest: str, look: Callable[[], ManifestRecord]) -> ManifestRecord:
        """Returns what a look finds; where nothing is here, of what could be pulled."""
        try:
            return look()
        except ArtifactMissing:
            if not (self.remembers and is_digest(digest) and self.beyond and self.beyond.fetch(digest)):
                raise
        return look()

    def read(self, digest: str, name: str = "") -> bytes:
        """Returns the content of one file of an artifact, read once and proved by the digest.

        For what is decided on: between `open` and a read of one's own, somebody may write.

        Args:
            name: of the file, relative to the artifact; empty where the artifact is a single file.

        Raises:
            ArtifactMissing: no such artifact, or no such file in it.
            ArtifactDamaged: the content is not what the digest names.
        """
        record = self._pulled(digest, lambda: self._record(digest))
        path = record.location / name
        try:
            if record.files is None:  # the manifest is lost
                data, found = read_digested(record.location, name)
                wanted = digest
            else:
                data, wanted = path.read_bytes(), record.files[name].digest
                found = digest_bytes(data)
        except (OSError, KeyError) as error:
            raise ArtifactMissing(f"artifact {digest}: has no file {name!r}: {error!r}") from error
        if found != wanted:
            raise ArtifactDamaged(
                f"artifact {digest}: {path}: content differs from what was recorded; set the artifact aside"
                " and materialize its asset again"
            )
        touch(record.path)
        return data

    def files(self, digest: str) -> dict[str, tuple[int, str]]:
        """Returns relative name to size and digest of an artifact's files;
        a quick ``verify``, and raises as that.
        """
        record = self._pulled(digest, lambda: self._verified(digest, full=False))
        found = record.files or self._record(digest).files or {}
        return {name: (hashed.size, hashed.digest) for name, hashed in found.items()}

    def verify(self, digest: str, *, full: bool = False) -> None:
        """Compare an artifact with its manifest: names, and the content of every file.

        Quick, the default, hashes only the files whose stamp has changed since they were last hashed;
        ``full`` hashes all of them.

        Raises:
            ArtifactMissing: no such artifact, or its place outside the store is gone.
            ArtifactDamaged: with the name of the file that differs.
        """
        self._verified(digest, full=full)

    def quarantine(self, digest: str) -> Path | None:
        """Set damaged bytes aside, so that the artifact can be put again; returns where they are.

        The result is None if there is nothing to set aside: no such artifact, bytes that verify after all
        (another run has replaced them), or bytes outside the store, of which only the record is dropped.
        """
        with contextlib.suppress(ArtifactMissing):
            record = self._record(digest)
            with explained(record.path), file_lock(self.lock_path(digest, "put")):
                try:
                    self._verified(digest, full=False)
                except ArtifactDamaged:
                    if not record.external:
                        return self._set_aside(digest)
                    record.path.unlink(missing_ok=True)
        return None

    def has(self, digest: str) -> bool:
        """Says whether there are bytes for a digest; ``verify`` says whether they are the right ones."""
        with contextlib.suppress(ArtifactMissing):
            return os.access(self._record(digest).location, os.R_OK)
        return False

    def knows(self, digest: str) -> bool:
        """Says whether there are bytes for a digest, here or, outside the store, on another machine."""
        with contextlib.suppress(ArtifactMissing):
            record = self._record(digest)
            return os.access(record.location, os.R_OK) or (record.external and recorded_on(record) != "")
        return False

    def _refuse_own(self, source: Path) -> None:
        own = (self.root / "objects").resolve()
        real = source.resolve()
        if real.is_relative_to(own) or own.is_relative_to(real):
            raise StoreError(f"{source}: holds, or is part of, the store {self.root}; name the data itself")

    # Put, in the order that a kill at any line leaves nothing half-made: 1. the files (a copy, where they are
    # on another filesystem) are made read-only and flushed, 2. digested, and only then, under the digest's
    # `put` lock, 3. moved beside their manifest in a staging directory that is flushed, 4. renamed to their
    # final name in one step, and 5. the directory of that name is flushed. A digest taken before the files
    # are read-only would vouch for what somebody wrote afterwards. Copying straight to `objects/` would show
    # a half copy to a reader, and a manifest that is written after the rename would leave an entry whose
    # bytes nobody can check quickly. The stamps of `stat/` are written last and may be lost: they only save
    # hashing.
    #
    # The lock is per digest and not one for the store: two trainings that end at once need not wait for each
    # other. Whoever gets it second finds the bytes there and drops its own, which are the same by definition.
    # If the rename fails the bytes go back to the source, since they may be hours of training.
    #
    # Quarantine looks again under the lock before it moves anything: between the look that found damage and
    # the lock, another run may have computed the artifact anew, and its good bytes would be set aside.
    # Damaged bytes are renamed and not deleted: a disk that lies is better examined, and a reader that has
    # files open keeps them. They are not repaired in place, for then a reader could see a file of both kinds.
    def _holds_intact(self, digest: str) -> bool:
        """Says whether a put is superfluous; what stands in its way is set aside. Needs the ``put`` lock."""
        if not os.path.lexists(self.entry(digest)):
            return False
        if os.path.lexists(self.entry(digest) / "data"):
            with contextlib.suppress(ArtifactDamaged):
                touch(self._verified(digest, full=False).path)
                return True
        self._set_aside(digest)
        return False

    def _set_aside(self, digest: str) -> Path:
        aside = self.root / "quarantine" / f"{digest}-{random_name()}"
        aside.parent.mkdir(parents=True, exist_ok=True)
        return self.entry(digest).rename(aside)

    def _publish(self, digest: str, tree: Tree, files: dict[str, Hashed], entry: Path) -> None:
        final, data = self.entry(digest), entry / "data"
        note = entry / "manifest.json"
        note.write_bytes(manifest(tree.is_file, files))
        shard_is_new = not final.parent.exists()
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            tree.root.rename(data)
            sync(note)
            sync(entry)
            entry.rename(final)
        except BaseException:
            with contextlib.suppress(OSError):
                data.rename(tree.root)
            raise
        sync(final.parent)
        if shard_is_new:
            sync(final.parent.parent)
        if tree.is_file:
            files = {"": restamped(files[""], final / "data")}
        save_index(self.index_path(digest), files)

    def list(self) -> list[StoredArtifact]:
        """Returns every artifact, inside first, then outside, each in the order of the digests."""
        found = sorted((self.root / "objects").glob("??/*/data"))
        digests = [path.parent.name for path in found]
        outside = [path.stem for path in sorted((self.root / "external").glob("*.json"))]
        result: list[StoredArtifact] = []
        for digest in dict.fromkeys([*digests, *outside]):
            with contextlib.suppress(StoreError, FileNotFoundError):
                result.append(self.stored(digest))
        return result

    def stored(self, digest: str) -> StoredArtifact:
        """Returns where an artifact is and how large, as it was noted: its bytes are not looked at.

        Raises:
            ArtifactMissing: no such artifact.
        """
        record = self._record(digest)
        sizes = summary_sizes(record)
        created = (record.path if record.path.exists() else record.location).stat().st_mtime
        return StoredArtifact(digest, len(sizes), sum(sizes), record.location, record.external, created)
