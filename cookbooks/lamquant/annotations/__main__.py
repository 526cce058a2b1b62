"""Prints the texts of annotations and their classes, for whoever makes a vocabulary.

    python -m cookbooks.lamquant.annotations DIRECTORY [--vocabulary FILE] [--all]

The texts may name persons: they are printed here, and written nowhere.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from blut_resources.text import one_line
from cookbooks.lamquant.annotations.beside import directories, lists_beside
from cookbooks.lamquant.annotations.embedded import about_file, embedded
from cookbooks.lamquant.annotations.marks import BadSource, Reading
from cookbooks.lamquant.annotations.reading import reads_of
from cookbooks.lamquant.annotations.vocabulary import (
    SHIPPED_VOCABULARY,
    VocabularyError,
    normal,
    parse_vocabulary,
    read_vocabulary,
)
from cookbooks.lamquant.formats.edf.discovery import find_recordings
from cookbooks.lamquant.formats.edf.problems import BadRecording
from cookbooks.lamquant.formats.edf.recording import open_edf


def main() -> None:
    """Print a table of texts."""
    parser = argparse.ArgumentParser(prog="python -m cookbooks.lamquant.annotations")
    parser.add_argument("directory", type=Path, help="with EDF and BDF recordings, and lists beside them")
    parser.add_argument("--vocabulary", type=Path, default=SHIPPED_VOCABULARY, help="YAML; the shipped one")
    parser.add_argument("--all", action="store_true", help="also texts that the vocabulary knows")
    chosen = parser.parse_args()
    try:
        vocabulary = parse_vocabulary(read_vocabulary(chosen.vocabulary), chosen.vocabulary.name)
    except VocabularyError as error:
        sys.exit(str(error))
    if not chosen.directory.is_dir():
        sys.exit(f"{chosen.directory}: not a directory; name one that holds recordings")
    found: Counter[tuple[str, str, str]] = Counter()
    for reading in _readings(chosen.directory.resolve()):
        for mark in reading.marks:
            known = vocabulary.edge_of(mark.text) or vocabulary.class_of(mark.text)
            if chosen.all or not known:
                label = vocabulary.class_of(mark.text) or ("a pair" if known else "unknown")
                found[label, reading.source, normal(mark.text)] += 1
    for (label, source, text), n in found.most_common():
        print(f"{n:>7}  {label:<12}{source:<10}{one_line(text)}")
    if not found:
        print("no annotations" if chosen.all else "no text that the vocabulary does not know")


def _readings(root: Path) -> Iterator[Reading]:
    recordings = [PurePosixPath(name) for name in find_recordings(root).names]
    lists, _ = lists_beside(root, map(str, recordings))
    listed = directories([*recordings, *(PurePosixPath(path.relative_to(root).as_posix()) for path in lists)])
    for relative in recordings:
        path = root / relative
        try:
            with open_edf(path) as file:
                about = about_file(relative.name, file)
        except BadRecording as bad:
            print(f"{relative}: {bad.field}: {bad.problem}", file=sys.stderr)
            continue
        tals = embedded(path, about.begin_s)
        for source, read in reads_of(about, path.parent, listed[relative.parent], "auto", tals):
            try:
                if reading := read():
                    yield reading
            except BadSource as bad:
                print(f"{relative}: {source}: {bad}", file=sys.stderr)


if __name__ == "__main__":
    main()
