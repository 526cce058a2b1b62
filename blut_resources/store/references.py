"""Records files that stay where the user keeps them, and recognises them when they are unchanged."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from blut_resources.files.digest import Tree, digest_files, digest_listing, list_tree
from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.store.intake import relative_names
from blut_resources.store.manifest import load_index, manifest, read, save_index, touch
from blut_resources.store.records import StoreRecords
from blut_resources.store.seen import MANY, Look, Note, look, of_hashed, read_note, write_note


class Referenced(NamedTuple):
    """Describes files that stay where they are: their digest together, how many, and how many bytes."""

    digest: str
    n_files: int
    n_bytes: int


class References(StoreRecords):
    """Keeps what is known of files outside of the store in ``root``."""

    def put_reference(self, source: Path, files: Iterable[Path | str] | None = None) -> str:
        """Record a file or directory that stays where it is, and return its digest, as `referenced`.

        Raises:
            StoreError: a file is missing, unreadable, being written, or not under ``source``.
        """
        return self.referenced(source, files).digest

    def referenced(self, source: Path, files: Iterable[Path | str] | None = None) -> Referenced:
        """Record a file or directory that stays where it is.

        Files whose stamp stands are not read again. Symbolic links to files count as those files, wherever
        they lead. The same bytes in another place give the same digest; the newest place is kept, without
        links on the way to it.

        Args:
            source: the file or directory.
            files: the files under ``source`` that count, by relative or absolute paths; all by default. Many
                are best given as text, relative to it.

        Raises:
            StoreError: a file is missing, unreadable, being written, or not under ``source``.
        """
        tree, partial = self._counted(Path(source).absolute(), files)
        now = _looked(tree) if len(tree.names) >= MANY else None
        if now and (digest := self._noted(tree.root, now)):
            touch(self.record_path(digest, external=True))
            return Referenced(digest, len(now.names), now.n_bytes)
        index = self.reference_index(tree.root)
        known = load_index(index)
        found = digest_files(tree.root, tree.names, known)
        if any(known.get(name) != hashed for name, hashed in found.items()):
            save_index(index, known | found if partial else found)
        digest = digest_listing(tree.is_file, found)
        self._write(digest, manifest(tree.is_file, found, tree.root, partial))
        if now and (seen := of_hashed(found, tree.names)):
            self._note(tree, partial, digest, seen)
        return Referenced(digest, len(found), sum(hashed.size for hashed in found.values()))

    def outside(self, digest: str) -> dict[str, Any] | None:
        """Returns the files of an artifact that stays where the user keeps it;
        None for one inside the store.

        ``is_file``, and ``files``: relative name to size, digest and stamp; the stamp is None where the file
        has to be hashed to be known again.

        Raises:
            ArtifactMissing: no such artifact.
        """
        record = self._record(digest)
        if not record.external:
            return None
        known = load_index(record.stamps)
        files = {
            name: [hashed.size, hashed.digest, known[name].stamp if known.get(name) else None]
            for name, hashed in (record.files or {}).items()
        }
        return {"is_file": "" in files, "files": files}

    def _counted(self, given: Path, files: Iterable[Path | str] | None) -> tuple[Tree, bool]:
        """Returns the files that count, and whether there may be others beside them."""
        source = given.resolve()
        if files is not None:
            return Tree(source, False, relative_names(given, source, files)), True
        self._refuse_own(source)
        return list_tree(source, "any"), False

    def _refuse_own(self, source: Path) -> None:
        own = (self.root / "objects").resolve()
        real = source.resolve()
        if real.is_relative_to(own) or own.is_relative_to(real):
            raise StoreError(f"{source}: holds, or is part of, the store {self.root}; name the data itself")

    def _write(self, digest: str, data: bytes) -> None:
        path = self.record_path(digest, external=True)
        if read(path) == data:
            touch(path)
        else:
            write_atomic(path, data)

    def _noted(self, source: Path, now: Look) -> str:
        """Returns the digest under which files that look so were recorded here; empty if they were not."""
        note = read_note(self.reference_note(source))
        if note is None or note.state != now.state:
            return ""
        return note.digest if self._proof(self.record_path(note.digest, external=True)) == note.record else ""

    def _note(self, tree: Tree, partial: bool, digest: str, seen: Look) -> None:
        record = self._proof(self.record_path(digest, external=True))
        note = Note(seen.state, digest, record, str(tree.root))
        write_note(self.reference_note(tree.root), note)
        if partial:
            write_note(self.note_path(digest), note._replace(names=list(tree.names)))


def _looked(tree: Tree) -> Look | None:
    try:
        return look(tree.root, tree.names)
    except OSError:  # the long way has the words for it
        return None
