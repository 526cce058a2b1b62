"""Reads what people have marked in the recordings of a corpus: LmaCorpus and its sources -> Annotations.

    python -m cookbooks.lamquant.payload.annotations_build --config FILE

Inputs: ``corpus``, ``recordings`` and ``lists``, the files beside them, or the inputs that ``roots`` names.
Of all that they say, only class, onset, duration and source of an event are written. A text is written with
``identity: keep`` only.
A source that cannot be used costs its recording the labels, and is listed; the others go on.
"""

import json
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Literal

from blut_resources.files.digest import digest_bytes
from blut_resources.payload_kit.config import read_config
from blut_resources.payload_kit.session import PayloadSession, payload_session
from blut_resources.store.artifacts import write_atomic
from cookbooks.lamquant.annotations.beside import Directory, directories, without_gz
from cookbooks.lamquant.annotations.classify import Unknown
from cookbooks.lamquant.annotations.content import FILE, annotations
from cookbooks.lamquant.annotations.embedded import embedded
from cookbooks.lamquant.annotations.marks import About, Piece
from cookbooks.lamquant.annotations.outcome import Labelling, decide
from cookbooks.lamquant.annotations.reading import Labels, reads_of
from cookbooks.lamquant.annotations.vocabulary import Vocabulary, parse_vocabulary
from cookbooks.lamquant.formats.corpus import read_corpus
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.formats.edf.nameless import named_files


@dataclass(frozen=True)
class AnnotatedRoot:
    """Says of a directory by which inputs it and the lists in it are given, and how its stems begin."""

    prefix: str
    lists: list[str]
    recordings: str
    beside: str


@dataclass(frozen=True)
class AnnotationSettings:
    """Holds what `AnnotationsConfig` says, the vocabulary's text, and the directories of EDF files."""

    vocabulary: str
    lists: list[str] = field(default_factory=list)
    roots: list[AnnotatedRoot] = field(default_factory=list)
    labels: Labels = "auto"
    unknown: Unknown = "refuse"
    identity: Literal["stripped", "kept"] = "stripped"


@dataclass(frozen=True)
class AnnotatedFile:
    """Describes a file of the corpus: where it lies, and what lies beside it."""

    path: Path
    folder: Path
    relative: PurePosixPath
    directory: Directory


def main() -> None:
    """Build the annotations of one session."""
    with payload_session() as session:
        settings = read_config(session, AnnotationSettings)
        vocabulary = parse_vocabulary(settings.vocabulary.encode(), "vocabulary")
        entries = read_corpus(session.inputs["corpus"])["recordings"]
        files, grouped = _all_files(session, settings), _by_file(entries)
        found: dict[str, Labelling] = {}
        for number, (stem, own) in enumerate(grouped.items(), 1):
            outcome = Labelling("unannotated")
            if stem in files:
                outcome = _labelling(files[stem], own, settings, vocabulary, session.work)
            found |= {entry["stem"]: outcome for entry in own}
            session.step(number, of=len(grouped))
        content = annotations(
            found,
            entries,
            keep_texts=settings.identity == "kept",
            vocabulary=digest_bytes(settings.vocabulary.encode()),
        )
        write_atomic(session.out / FILE, (json.dumps(content, indent=1, sort_keys=True) + "\n").encode())
        session.done(**content["counts"])


def _by_file(entries: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Returns the entries of each file in order, by its stem; a file without gaps has one."""
    found: dict[str, list[dict[str, Any]]] = {}
    for entry in entries:
        found.setdefault(entry["recording"], []).append(entry)
    return {stem: sorted(own, key=lambda one: one["segment"]["index"]) for stem, own in found.items()}


def _about(relative: PurePosixPath, entries: list[dict[str, Any]]) -> About:
    begin = float(entries[0]["segment"]["onset_s"])
    pieces = (
        Piece(
            entry["stem"],
            float(entry["segment"]["onset_s"]) - begin,
            float(entry["duration_s"]),
            int(entry["n_samples"]),
            float(entry["rate_hz"]),
        )
        for entry in entries
    )
    return About(without_gz(relative.name), tuple(pieces), begin)


def _all_files(session: PayloadSession, settings: AnnotationSettings) -> dict[str, AnnotatedFile]:
    found: dict[str, AnnotatedFile] = {}
    only = (
        [AnnotatedRoot("", settings.lists, "recordings", "lists")] if "recordings" in session.inputs else []
    )
    for root in settings.roots or only:
        inputs = session.inputs[root.recordings], session.inputs[root.beside]
        files = _files(*inputs, root.lists, keep_identity=settings.identity == "kept")
        found |= {f"{root.prefix}{stem}": file for stem, file in files.items()}
    return found


def _files(
    recordings: Path, lists_root: Path, lists: list[str], *, keep_identity: bool
) -> dict[str, AnnotatedFile]:
    """Returns the recordings of a directory and what lies beside them, by the stem of the file."""
    names = find_recordings(recordings).names
    listed = directories(PurePosixPath(name) for name in [*names, *lists])
    found: dict[str, AnnotatedFile] = {}
    for stem, file in named_files(recordings, names, keep_identity=keep_identity).items():
        path = PurePosixPath(file.name)
        found[stem] = AnnotatedFile(recordings / path, lists_root / path.parent, path, listed[path.parent])
    return found


def _labelling(
    file: AnnotatedFile,
    entries: list[dict[str, Any]],
    settings: AnnotationSettings,
    vocabulary: Vocabulary,
    work: Path,
) -> Labelling:
    about = _about(file.relative, entries)
    tals = embedded(file.path, about.begin_s, tuple(entries[0]["channels"]), work)
    reads = reads_of(about, file.folder, file.directory, settings.labels, tals)
    return decide(about, reads, vocabulary, settings.unknown)


if __name__ == "__main__":
    main()
