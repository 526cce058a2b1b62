"""Copies artifacts and the notes of what was computed to a bucket and back.

::

    blut.json                          which version of this layout it is
    objects/ab/<digest>.tar            the bytes
    objects/ab/<digest>.json           their manifest: written last, it says that the bytes are there
    results/ab/<fingerprint>/<digest>.json, .epochs    the notes, as in a store

Locks and histories stay where they are. Whoever may write to the bucket can have a result taken that nobody
computed, as whoever may write to the store can; the bytes are proved by their digest.
"""

import contextlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from blut_resources.files.digest import Hashed
from blut_resources.files.durable import StoreError, explained, remove_tree, write_atomic
from blut_resources.remote.bucket import Bucket
from blut_resources.remote.bundle import stream, stream_size, unpack
from blut_resources.remote.words import RemoteDamaged, RemoteError, RemoteMissing
from blut_resources.store import results
from blut_resources.store.artifacts import ArtifactStore
from blut_resources.store.manifest import manifest, parse

SCHEMA = "blut.remote.v1"
MARK = "blut.json"
NOTE = re.compile(r"results/([0-9a-f]{2})/\1[0-9a-f]{14,62}/[0-9a-f]{64}\.json")
Sent = Literal["sent", "there", "external"]
Moved = Callable[[int], object]
"""Called with the bytes that have just gone over the wire."""


def laid_out(bucket: Bucket) -> bool:
    """Says whether something was pushed to a bucket before.

    Raises:
        RemoteError: it is not to be had, or a later version has laid it out otherwise.
    """
    found = bucket.read(MARK)
    if found is not None and _schema(found) != SCHEMA:
        raise RemoteError(
            f"{bucket.url}/{MARK}: not of layout {SCHEMA}: upgrade Blut, or take another prefix"
        )
    return found is not None


class RemoteTier:
    """Copies between a store and a bucket. Making one asks nobody."""

    def __init__(self, store: ArtifactStore, bucket: Bucket) -> None:
        self.store, self.bucket = store, bucket

    def opened(self) -> bool:
        """Mark the bucket as one of Blut's; says whether the server writes only what is not there.

        Raises:
            RemoteError: it cannot be written, or a later version has laid it out otherwise.
        """
        mark = json.dumps({"schema": SCHEMA}).encode()
        laid_out(self.bucket)
        self.bucket.add(MARK, mark)
        return not self.bucket.add(MARK, mark)

    def holds(self, digest: str) -> int | None:
        """Returns how many bytes an artifact has there; None if it is not there. Raises RemoteError."""
        files = self._files(digest)
        return None if files is None else sum(one.size for one in files.values())

    def push(self, digest: str, moved: Moved = bool) -> Sent:
        """Copy an artifact there, unless it is there, or its bytes are where the user keeps them.

        What was found damaged there is replaced.

        Raises:
            StoreError: it is not in the store, or damaged.
            RemoteError: the bucket refuses.
        """
        location = self.store.open(digest)
        if self.store.stored(digest).external:
            return "external"
        damaged = self._damaged(digest)
        if not damaged.exists() and self.holds(digest) is not None:
            return "there"
        with self.store.in_use(digest), explained(location):
            files = {name: Hashed(*known, None) for name, known in self.store.files(digest).items()}
            size = stream_size(files)
            if damaged.exists() or self.bucket.size_of(_tar(digest)) != size:
                self.bucket.upload(_tar(digest), _counted(stream(location, files), moved), size)
            said = manifest("" in files, files)
            (self.bucket.replace if damaged.exists() else self.bucket.add)(_note(digest), said)
            damaged.unlink(missing_ok=True)
        return "sent"

    def pull(self, digest: str, moved: Moved = bool) -> None:
        """Copy an artifact from there into the store; it is seen whole or not at all.

        Raises:
            RemoteMissing: it is not there.
            RemoteDamaged: it is not what the digest names; the next push replaces it.
            RemoteError: the bucket does not answer.
            StoreError: the store has no room for it, or cannot be written.
        """
        with self.store.lock(f"{digest}.pull"):
            if self.store.has(digest):
                return
            files = self._files(digest)
            if files is None:
                raise RemoteMissing(f"{self.bucket.url}: has no artifact {digest}")
            self._take(digest, files, moved)

    def _take(self, digest: str, files: dict[str, Hashed], moved: Moved) -> None:
        staging = self.store.staging()
        try:
            with explained(staging):
                _refuse_full(staging, sum(one.size for one in files.values()))
                unpack(_counted(self.bucket.chunks(_tar(digest)), moved), staging / "pulled", files)
            self.store.put(staging / "pulled")
        except RemoteDamaged as error:
            self._note_damaged(digest)
            raise RemoteDamaged(
                f"{self.bucket.url}/{_tar(digest)}: {error}; the next push of the artifact replaces it"
            ) from error
        finally:
            remove_tree(staging)

    def _files(self, digest: str) -> dict[str, Hashed] | None:
        said = self.bucket.read(_note(digest))
        files, _, _ = parse(said, digest)
        if said is not None and files is None:
            self._note_damaged(digest)
        return files

    def _damaged(self, digest: str) -> Path:
        return self.store.root / "remote" / "damaged" / digest

    def _note_damaged(self, digest: str) -> None:
        with contextlib.suppress(StoreError):
            write_atomic(self._damaged(digest), b"")

    def push_note(self, note: Path) -> None:
        """Copy the note of a result there, and before it the metrics of its epochs, unless they are there.

        Raises:
            RemoteError: the bucket refuses.
        """
        for path in (note.with_suffix(results.EPOCHS), note):
            if path.exists():
                with explained(path):
                    self.bucket.add(self.path_of(path), path.read_bytes())

    def notes(self, fingerprint: str) -> list[results.Result]:
        """Returns the results with this fingerprint that are noted there, the newest first.

        Raises:
            RemoteError: the bucket does not answer.
        """
        place = self.path_of(results.place_of(self.store.root, fingerprint))
        found = [path for path, _ in self.bucket.names(place) if NOTE.fullmatch(path)]
        parsed = [results.parsed(self.bucket.read(path) or b"", Path(path).stem) for path in found]
        same = [
            one
            for one in parsed
            if one and (one.event.tags or {}).get(results.FINGERPRINT_TAG) == fingerprint
        ]
        return sorted(same, key=lambda one: one.at, reverse=True)

    def pull_note(self, note: Path) -> None:
        """Copy the note of a result from there, and before it the metrics of its epochs; not a damaged one.

        Raises:
            RemoteError: the bucket does not answer.
            StoreError: it cannot be written.
        """
        said = None if note.exists() else self.bucket.read(self.path_of(note))
        if said is None or results.parsed(said, note.stem) is None:
            return
        epochs = note.with_suffix(results.EPOCHS)
        if (rows := self.bucket.read(self.path_of(epochs))) is not None:
            write_atomic(epochs, rows)
        write_atomic(note, said)

    def path_of(self, note: Path) -> str:
        """Returns where the note of a result is there, by its place in the store."""
        return note.relative_to(self.store.root).as_posix()

    def digests(self) -> dict[str, int]:
        """Returns the digests of the artifacts there, with the bytes of their streams. Raises RemoteError."""
        sizes = {Path(path).name: size for path, size in self.bucket.names("objects")}
        notes = [name.removesuffix(".json") for name in sizes if name.endswith(".json")]
        return {digest: sizes[f"{digest}.tar"] for digest in sorted(notes) if f"{digest}.tar" in sizes}

    def noted(self) -> list[Path]:
        """Returns where the notes that are there belong in the store. Raises RemoteError."""
        paths = sorted(path for path, _ in self.bucket.names(results.RESULTS))
        return [self.store.root / path for path in paths if NOTE.fullmatch(path)]


def _counted(chunks: Iterator[bytes], moved: Moved) -> Iterator[bytes]:
    for chunk in chunks:
        moved(len(chunk))
        yield chunk


def _refuse_full(place: Path, n_bytes: int) -> None:
    import errno

    if shutil.disk_usage(place).free < n_bytes:
        raise OSError(errno.ENOSPC, "", str(place))


def _schema(data: bytes) -> str:
    try:
        return str(json.loads(data)["schema"])
    except (ValueError, KeyError, TypeError):
        return ""


def _tar(digest: str) -> str:
    return f"objects/{digest[:2]}/{digest}.tar"


def _note(digest: str) -> str:
    return f"objects/{digest[:2]}/{digest}.json"
