"""Counts the recordings of which somebody has newly said something, from the sources alone.

What was found of a recording is noted under the digests of its file and of the lists about it: it is opened
once for each content, and a tree that has not changed is not opened at all.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from blut_resources.files.digest import Hashed, digest_bytes
from blut_resources.store.artifacts import ArtifactStore, write_atomic
from blut_resources.store.manifest import parse, read
from cookbooks.lamquant.annotations.beside import Directory, directories, without_gz
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.embedded import about_file, embedded
from cookbooks.lamquant.annotations.notes import NOTES, read_notes
from cookbooks.lamquant.annotations.outcome import decide
from cookbooks.lamquant.annotations.reading import Labels, reads_of
from cookbooks.lamquant.annotations.vocabulary import Vocabulary
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import ReadOptions, open_edf


class SeenRoot(NamedTuple):
    """Names a directory as it was looked at: digests of its recordings, and of the lists beside them."""

    recordings: str
    lists: str


@dataclass(frozen=True)
class AnnotationRules:
    """Says which annotations count.

    Attributes:
        version: of the code that reads them.
    """

    labels: Labels
    unknown: Unknown
    vocabulary: Vocabulary
    options: ReadOptions
    version: str

    @property
    def digest(self) -> str:
        """Returns a digest of all that decides whether a recording counts as annotated."""
        return digest_bytes(repr(self).encode())


class _Recording(NamedTuple):
    """Holds a recording and the lists about it: where it lies, what is beside it, and digests of both."""

    root: Path
    name: PurePosixPath
    directory: Directory
    digest: str
    key: str


def newly_annotated(
    store: ArtifactStore, now: Iterable[SeenRoot], before: Iterable[SeenRoot], wanted: AnnotationRules
) -> int:
    """Returns how many recordings are annotated now that were not, or of which more or other things are said.

    A recording is known by its content: one that was renamed together with its lists is not new.

    Raises:
        OSError: a recording or a list cannot be read now.
    """
    now, before = list(now), list(before)
    if now == before:
        return 0
    place = store.root / NOTES / f"{wanted.digest}.json"
    with store.lock(NOTES):
        known: dict[str, str] = read_notes(place) or {}
        there = {one.key: one for seen in now for one in _recordings(store, seen)}
        missing = [one for one in there.values() if one.key not in known]
        known |= {one.key: _said(one, wanted) for one in missing}
        if missing:
            write_atomic(place, json.dumps(known).encode())
    then = {(one.digest, known.get(one.key)) for seen in before for one in _recordings(store, seen)}
    found = {(one.digest, known[one.key]) for one in there.values() if known[one.key]}
    return len(found - then)


def _files(store: ArtifactStore, digest: str) -> tuple[dict[str, Hashed], Path | None]:
    files, _, place = parse(read(store.record_path(digest, external=True)), digest)
    return files or {}, Path(place) if place else None


def _recordings(store: ArtifactStore, seen: SeenRoot) -> Iterator[_Recording]:
    """Yields the recordings of a directory; none where the store has lost what was in it."""
    recordings, root = _files(store, seen.recordings)
    lists, _ = _files(store, seen.lists)
    if root is None:
        return
    listed = directories(PurePosixPath(name) for name in [*recordings, *lists])
    for name, hashed in recordings.items():
        path = PurePosixPath(name)
        directory = listed[path.parent]
        beside = directory.of(path.name)
        about = sorted([one.source, lists[str(path.parent / one.name)].digest] for one in beside)
        names = [without_gz(path.name)]
        if any(one.source == "siena" for one in beside):  # what it says depends on who else is there
            names += directory.recordings
        key = digest_bytes(json.dumps([hashed.digest, about, names]).encode())
        yield _Recording(root, path, directory, hashed.digest, key)


def _said(one: _Recording, wanted: AnnotationRules) -> str:
    """Returns a digest of what the sources say of a recording; empty where nobody has annotated it."""
    path = one.root / one.name
    try:
        with open_edf(path, wanted.options) as file:
            about, channels = about_file(one.name.name, file), tuple(file.channels)
    except BadRecording:
        if not path.is_file():
            raise FileNotFoundError(f"{path}: it went away while it was looked at; look again") from None
        return ""
    tals = embedded(path, about.begin_s, channels)
    reads = reads_of(about, path.parent, one.directory, wanted.labels, tals)
    found = decide(about, reads, wanted.vocabulary, wanted.unknown)
    if found.state != "annotated":
        return ""
    return digest_bytes(json.dumps([found.sources, list(found.events.values())]).encode())
