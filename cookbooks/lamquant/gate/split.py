"""Reads from ``split.json`` who is trained on, validated on and sealed for the gate."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused

SPLIT_FILE = "split.json"
SPLIT_SCHEMA = "blut.split.v1"
SPLITS = ("train", "val", "test")
SHOWN = 5


@dataclass(frozen=True)
class JudgedSplit:
    """Holds ``split.json``: the split of each subject and of each recording that is used.

    Attributes:
        people: the subject of each recording, by stem; empty in one of before, where the corpus says it.
        stated: the subject that the user stated, by stem.
        by_names_only: subjects known by names of files and directories alone; None where it does not say.
        files: what the user's files said, for the verdict: the manifest and its digest, the stated subjects'.
    """

    subjects: dict[str, str]
    recordings: dict[str, str]
    excluded: frozenset[str]
    people: Mapping[str, str] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    by_names_only: tuple[str, ...] | None = None
    files: Mapping[str, Any] = field(default_factory=dict)

    def reservations(self) -> list[str]:
        """Returns what speaks against believing that no patient is on two sides, with the remedy."""
        if self.by_names_only is None:
            return ["its split does not say by which evidence patients are told apart: make it again"]
        if not self.by_names_only:
            return []
        few = ", ".join(self.by_names_only[:SHOWN])
        more = f" and {len(self.by_names_only) - SHOWN} more" if len(self.by_names_only) > SHOWN else ""
        return [
            f"{len(self.by_names_only)} of {len(self.subjects)} patients of its split are known by names of"
            f" files and directories only ({few}{more}): state who is who in a file (arg subjects), and run"
            " the recipe again"
        ]

    def of(self, split: str) -> list[str]:
        """Returns the stems of a split, sorted."""
        return sorted(stem for stem, name in self.recordings.items() if name == split)


class SplitInvalid(Refused, ValueError):
    """Says that ``split.json`` is not a split manifest."""


def read_split(directory: Path) -> JudgedSplit:
    """Returns the split manifest of a directory.

    Raises:
        SplitInvalid: if it is missing, malformed, of another schema, or names anything twice.
    """
    try:
        data = (directory / SPLIT_FILE).read_bytes()
    except OSError as error:
        raise SplitInvalid(f"{SPLIT_FILE}: {error!r}; make the split again") from error
    return parse_split(data)


def parse_split(data: bytes) -> JudgedSplit:
    """Returns the split manifest from the bytes of ``split.json``.

    Raises:
        SplitInvalid: if it is malformed, of another schema, or names anything twice.
    """
    try:
        document = json.loads(data, object_pairs_hook=_distinct)
        if document["schema"] != SPLIT_SCHEMA:
            raise ValueError(f"schema is {document['schema']!r}, expected {SPLIT_SCHEMA!r}")
        subjects, recordings = dict(document["subjects"]), dict(document["recordings"])
        excluded = frozenset(document.get("excluded", {}))
        people, stated = dict(document.get("people", {})), dict(document.get("stated", {}))
        meta = dict(document.get("meta", {}))
        alone = meta.get("by_names_only")
        alone = None if alone is None else tuple(map(str, alone))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise SplitInvalid(f"{SPLIT_FILE}: {error!r}; make the split again") from error
    unknown = sorted({str(name) for name in [*subjects.values(), *recordings.values()]} - set(SPLITS))
    if unknown:
        raise SplitInvalid(f"{SPLIT_FILE}: {', '.join(unknown)} is no split; there are {', '.join(SPLITS)}")
    used = {stem: name for stem, name in recordings.items() if stem not in excluded}
    files = {name: meta[name] for name in ("manifest", "subjects_file") if name in meta}
    return JudgedSplit(subjects, used, excluded, people, stated, alone, files)


def sealed_digest(corpus: Mapping[str, Any], stems: Iterable[str]) -> str | None:
    """Returns the digest of the set of recordings that a verdict is made on; None for no recording.

    Over their samples alone: who renames or reorders the recordings seals the same set.
    """
    contents = {entry["stem"]: entry["signal_sha256"] for entry in corpus["recordings"]}
    sealed = sorted(contents[stem] for stem in stems if stem in contents)
    return hashlib.sha256("\n".join(sealed).encode()).hexdigest() if sealed else None


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]
    if repeated:
        raise ValueError(f"{', '.join(sorted(repeated))} appears twice")
    return dict(pairs)
