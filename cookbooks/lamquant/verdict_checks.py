"""What must hold before the codec gate believes a figure: inputs, split, files.

Each check returns its violations as sentences; none of them is decided by a default. The samples
themselves are looked at where they are measured.
"""

import json
import os
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from blut_resources.digest import digest_path
from cookbooks.lamquant.signal.duplicates import Signal, find_duplicates
from cookbooks.lamquant.signal.split import MANIFEST, SCHEMA, SPLITS

MAGIC = b"BLQ1"
BITSTREAM_SUFFIX = ".lqc"
DECODED_SUFFIX = ".npy"
MIN_BITSTREAM_BYTES = 16


@dataclass(frozen=True)
class Split:
    """``split.json``: the split of each subject and of each recording that is used."""

    subjects: dict[str, str]
    recordings: dict[str, str]
    excluded: frozenset[str]

    def of(self, split: str) -> list[str]:
        """Stems of a split, sorted."""
        return sorted(stem for stem, name in self.recordings.items() if name == split)


class SplitInvalid(ValueError):
    """``split.json`` is not a split manifest."""


def read_split(directory: Path) -> Split:
    """The split manifest of a directory.

    Raises:
        SplitInvalid: if it is missing, malformed, of another schema, or names anything twice.
    """
    path = directory / MANIFEST
    try:
        document = json.loads(path.read_bytes(), object_pairs_hook=_distinct)
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema is {document['schema']!r}, expected {SCHEMA!r}")
        subjects, recordings = dict(document["subjects"]), dict(document["recordings"])
        excluded = frozenset(document.get("excluded", {}))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise SplitInvalid(f"{MANIFEST}: {error!r}; make the split again") from error
    unknown = sorted({str(name) for name in [*subjects.values(), *recordings.values()]} - set(SPLITS))
    if unknown:
        raise SplitInvalid(f"{MANIFEST}: {', '.join(unknown)} is no split; there are {', '.join(SPLITS)}")
    used = {stem: name for stem, name in recordings.items() if stem not in excluded}
    return Split(subjects, used, excluded)


def unchanged(
    inputs: Mapping[str, Path], named: Mapping[str, str | None]
) -> tuple[dict[str, str], list[str]]:
    """The digests of the inputs' bytes now, and where one is not the digest it was named by."""
    found = {name: digest_path(path) for name, path in sorted(inputs.items())}
    return found, [
        f"{name} has digest {found[name]}, not {digest}: it was changed or replaced"
        for name, digest in sorted(named.items())
        if digest is not None and found[name] != digest
    ]


def disjoint_patients(corpus: Mapping[str, Any], split: Split) -> list[str]:
    """Every recording has a split, and it is the one split of its patient."""
    subject_of = {entry["stem"]: entry["subject"] for entry in corpus["recordings"]}
    problems = [
        f"{stem} is in the split but not in the corpus"
        for stem in sorted((split.recordings.keys() | split.excluded) - subject_of.keys())
    ]
    for stem, subject in sorted(subject_of.items()):
        placed, patient = split.recordings.get(stem), split.subjects.get(subject)
        if stem in split.excluded:
            continue
        if placed is None:
            problems.append(f"{stem} is in the corpus but has no split")
        elif patient != placed:
            problems.append(f"{stem} is in {placed}, its patient {subject} in {patient or 'no split'}")
    return problems


def shared_content(split: Split, load: Callable[[str], Signal]) -> list[str]:
    """Recordings, trials or channels that lie in two splits, found in the samples themselves."""
    problems = []
    for finding in find_duplicates(split.recordings, load).findings:
        homes = {split.recordings[stem]: stem for stem in sorted(finding.members, reverse=True)}
        if len(homes) > 1:
            places = " and ".join(f"{stem} ({name})" for name, stem in sorted(homes.items()))
            problems.append(f"{places} share content: {finding.kind}")
    return problems


def files_for(directory: Path, stems: Iterable[str], suffix: str) -> tuple[dict[str, Path], list[str]]:
    """The file of each stem, and what is missing, what is there besides, what is no plain file.

    Anything besides counts as a violation: it could carry what the measured bytes leave out.
    """
    wanted = {f"{stem}{suffix}": stem for stem in stems}
    found, problems = {}, []
    for entry in sorted(os.scandir(directory), key=lambda item: item.name):
        if entry.name not in wanted:
            problems.append(f"{entry.name} belongs to no recording of the test split")
        elif not stat.S_ISREG(entry.stat(follow_symlinks=False).st_mode):
            problems.append(f"{entry.name} is not a plain file")
        else:
            found[wanted[entry.name]] = Path(entry.path)
    problems += [f"{name} is missing" for name, stem in sorted(wanted.items()) if stem not in found]
    return found, problems


def implausible_bitstream(path: Path) -> str | None:
    """Why a file is not a bitstream of the codec, or None."""
    size = path.stat().st_size
    with path.open("rb") as file:
        magic = file.read(len(MAGIC))
    if size == 0:
        return f"{path.name} is empty"
    if magic != MAGIC:
        return f"{path.name} begins with {magic!r}, not {MAGIC!r}: it is not a bitstream"
    if size < MIN_BITSTREAM_BYTES:
        return f"{path.name} has {size} bytes, too few for a header"
    return None


def total_bytes(path: Path) -> int:
    """Bytes of a file, or of all files in a directory."""
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} appears twice")
    return dict(pairs)
