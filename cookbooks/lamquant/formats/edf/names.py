"""Tells which files are recordings, whose they are, and what their archives are called.

Light on purpose: a graph that lists recordings needs no EDF library.

The subject is the unit by which recordings are split. In this order; the first that gives a name wins:

1. the file name, where it follows a public corpus: ``aaaaaaaa_s001_t000`` (TUH), ``chb01_03`` (CHB-MIT),
   ``PN00-1`` (Siena), ``name_20240131`` (a dated session), ``sub-01_...`` (BIDS);
2. the directory the file lies in, passing over directories that name a session or a modality
   (``ses-1``, ``session2``, ``s003_2012``, ``20240131``, ``eeg``, ``edf``);
3. a short hash of the EDF patient code, never the code itself;
4. the file name. In a flat directory of unnamed recordings this makes every file a person of its own:
   whoever has several recordings of one person puts them into one directory.

The hash parts subjects without showing their code, but whoever can guess a code can confirm it: it is a
pseudonym, not anonymity.
"""

import hashlib
import os
import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from blake3 import blake3

SUFFIXES = frozenset({".edf", ".bdf"})
FILE_PATTERNS = (
    re.compile(r"^sub-(?P<subject>[A-Za-z0-9]+)(?:_|$)"),
    re.compile(r"^(?P<subject>[A-Za-z0-9]+)_s\d+_t\d+$"),
    re.compile(r"^(?P<subject>[A-Za-z]+)_\d{8}$"),
    re.compile(r"^(?P<subject>chb\d+)[a-z]?_\d+\+?$", re.IGNORECASE),
    re.compile(r"^(?P<subject>PN\d+)[-_]\d+"),
)
NOT_A_SUBJECT = re.compile(
    r"^(ses-.*|sess?(ion)?[-_ ]?\d+|s\d+_\d{4}([-_]\d+)*|\d{4}[-_]?\d{2}[-_]?\d{2}|\d+_tcp_.*|"
    r"i?eeg|edf|bdf|raw|data)$",
    re.IGNORECASE,
)
# Characters that archive readers or other systems refuse in a name.
UNSAFE = re.compile(r'[\x00-\x1f\x7f\\:"<>|?*\ud800-\udfff]')
MAX_STEM_BYTES = 180


def find_recordings(root: Path) -> list[Path]:
    """Returns every ``.edf`` and ``.bdf`` under ``root`` (any case, linked directories too), sorted.

    Hidden files are passed over: a copy from macOS leaves ``._name.edf`` beside each recording.
    """
    found: set[Path] = set()
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        # of two links to one directory the same one must be followed everywhere
        folders.sort()
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        named = (Path(folder, name) for name in (*folders, *files) if not name.startswith("."))
        found.update(path for path in named if path.suffix.lower() in SUFFIXES)
    return sorted(found, key=lambda path: path.relative_to(root).as_posix())


class Subject(NamedTuple):
    """Holds a subject id, and which of the four rules gave it."""

    name: str
    source: Literal["file pattern", "directory", "patient code", "file name"]


def subject_of(relative: PurePosixPath, patient_code: str | None) -> Subject:
    """Returns whose recording ``relative`` is (to the corpus root, never an absolute path)."""
    for pattern in FILE_PATTERNS:
        if found := pattern.match(relative.stem):
            return Subject(found["subject"], "file pattern")
    for folder in reversed(relative.parent.parts):
        if not NOT_A_SUBJECT.match(folder):
            return Subject(folder, "directory")
    if patient_code is not None:
        return Subject(f"p{blake3(patient_code.encode()).hexdigest()[:12]}", "patient code")
    return Subject(relative.stem, "file name")


def patient_key(subject: str) -> str:
    """Returns what all spellings of a subject share:
    ``anna``, ``ANNA`` and a padded ``anna`` are one patient.

    Case, composition of accents, width, spaces around and between words, and characters that nobody sees make
    no difference (NFKC and full case folding).
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", subject).casefold())
    seen = (c for c in text if c.isspace() or unicodedata.category(c) not in ("Cc", "Cf"))
    return " ".join("".join(seen).split()) or subject


def stems_of(relatives: Iterable[PurePosixPath]) -> dict[PurePosixPath, str]:
    """Returns the archive names: the path without suffix, ``/`` as ``__``;
    unique also where case is ignored.
    """
    stems: dict[PurePosixPath, str] = {}
    taken: set[str] = set()
    for relative in relatives:
        plain = _shortened(UNSAFE.sub("_", relative.with_suffix("").as_posix().replace("/", "__")))
        stem, number = plain, 1
        while stem.casefold() in taken:
            number += 1
            stem = f"{plain}-{number}"
        taken.add(stem.casefold())
        stems[relative] = stem
    return stems


def _shortened(stem: str) -> str:
    encoded = stem.encode()
    if len(encoded) <= MAX_STEM_BYTES:
        return stem
    tag = hashlib.sha256(encoded).hexdigest()[:12]
    return f"{encoded[: MAX_STEM_BYTES - len(tag) - 1].decode(errors='ignore')}-{tag}"
