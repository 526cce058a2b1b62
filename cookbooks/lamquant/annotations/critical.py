"""Finds the recordings with seizures in a directory, before there is a corpus or a split of it."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from blut_resources.files.digest import digest_bytes
from blut_resources.store.artifacts import ArtifactStore, write_atomic
from cookbooks.lamquant.annotations.beside import directories, lists_beside
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.embedded import about_file
from cookbooks.lamquant.annotations.marks import CRITICAL, Reading
from cookbooks.lamquant.annotations.notes import NOTES, read_notes
from cookbooks.lamquant.annotations.outcome import decide
from cookbooks.lamquant.annotations.reading import Labels, reads_of
from cookbooks.lamquant.annotations.tal import read_tals
from cookbooks.lamquant.annotations.vocabulary import Vocabulary
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.formats.edf.nameless import named_files
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import EdfFile, open_edf


@dataclass(frozen=True)
class Understood:
    """Says which annotations count, and for what."""

    labels: Labels
    unknown: Unknown
    vocabulary: Vocabulary


def known_critical(
    store: ArtifactStore, root: Path, by: Understood, *, keep_identity: bool, version: str
) -> list[str]:
    """Returns what `critical_recordings` yields; a directory that has not changed is not read again.

    Args:
        version: of the code that reads.

    Raises:
        StoreError: a file cannot be read.
    """
    names = find_recordings(root).names
    lists, _ = lists_beside(root, names)
    seen = [store.referenced(root, files).digest for files in (names, lists)]
    key = digest_bytes(json.dumps([*seen, repr(by), keep_identity, version]).encode())
    note = store.root / NOTES / f"critical-{key}.json"
    if (known := read_notes(note)) is not None and isinstance(known.get("critical"), list):
        return known["critical"]
    found = list(critical_recordings(root, by, keep_identity=keep_identity))
    write_atomic(note, json.dumps({"critical": found}).encode())
    return found


def critical_recordings(root: Path, by: Understood, *, keep_identity: bool) -> Iterator[str]:
    """Yields the stems of the files in which a seizure is annotated, as a corpus of them would have them.

    What cannot be read, or whose sources cannot be trusted, has no labels later either, and is left out.
    """
    names = find_recordings(root).names
    lists, _ = lists_beside(root, names)
    listed = directories([*map(PurePosixPath, names), *(_below(root, lists))])
    for stem, named in named_files(root, names, keep_identity=keep_identity).items():
        relative = PurePosixPath(named.name)
        path = root / relative
        try:
            # opened once: that its channels are looked at is what takes the time
            with open_edf(path) as file:
                about = about_file(relative.name, file)
                tals = partial(_tals, file, about.begin_s)
                reads = reads_of(about, path.parent, listed[relative.parent], by.labels, tals)
                found = decide(about, reads, by.vocabulary, by.unknown)
        except BadRecording:
            continue
        if any(event.label == CRITICAL for events in found.events.values() for event in events):
            yield stem


def _tals(file: EdfFile, begin_s: float) -> Reading | None:
    return read_tals(file.annotations(strict=True), begin_s)


def _below(root: Path, lists: Sequence[Path]) -> list[PurePosixPath]:
    return [PurePosixPath(path.relative_to(root).as_posix()) for path in lists]
