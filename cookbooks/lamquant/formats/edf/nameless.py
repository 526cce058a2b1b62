"""Keeps people's names and birth dates, where a header tells them, out of the names of recordings."""

import re
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from cookbooks.lamquant.formats.edf.names import SUFFIX, stems_of
from cookbooks.lamquant.formats.edf.patient import patient_field
from cookbooks.lamquant.subjects.names import patient_key, pseudonym

_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_BIRTH = re.compile(r"\b(\d{1,2})[-./ ](\d{1,2}|[a-z]{3})[-./ ](\d{4})\b")
_NOBODY = frozenset(
    {"anon", "anonymous", "anonymized", "anonymised", "unknown", "patient", "subject", "synthetic"}
)
_CODED = re.compile(r"\S+ [mfx] \S+ (.+)")
SEGMENT = re.compile(r"__segment-\d+-*$", re.IGNORECASE)
"""How the name of a stretch between gaps ends; no file is called so."""
_LEAST = 3
"""Letters of a name; shorter ones stand in too many words."""


def telling(patient: str) -> frozenset[str]:
    """Returns the words of a header's patient field that name a person, and all spellings of the birth date.

    By EDF+ the field is code, sex, birth date and name; what the code says too is not taken for a name. A
    field of one word is a code.
    """
    text = patient_key(patient)
    coded = _CODED.fullmatch(text)
    named = coded[1] if coded else text if len(_letters(text)) > 1 else ""
    code = set(_letters(text.split(" ")[0])) if coded else set()
    return frozenset(set(_letters(named)) - code - _NOBODY) | _dates(text)


def _letters(text: str) -> list[str]:
    return [word for word in re.findall(r"[^\W\d_]+", text) if len(word) >= _LEAST]


def _dates(text: str) -> frozenset[str]:
    found: set[str] = set()
    for day, month, year in _BIRTH.findall(text):
        number = _MONTHS.index(month) + 1 if month in _MONTHS else int(month) if month.isdigit() else 0
        d, m = f"{int(day):02}", f"{number:02}"
        found |= {year + m + d, d + m + year, m + d + year, year[2:] + m + d, d + m + year[2:]}
    return frozenset(found)


class NamedFile(NamedTuple):
    """Holds where a file lies below its directory, and the path by which a corpus knows it."""

    name: str
    shown: PurePosixPath


def named_files(place: Path, names: Iterable[str], *, keep_identity: bool) -> dict[str, NamedFile]:
    """Returns the recordings of a directory by their stems, which tell nobody's name unless that is kept."""
    shown = {PurePosixPath(name): name for name in names}
    if not keep_identity:
        shown = {nameless(path, telling(patient_field(place / path))): name for path, name in shown.items()}
    stems = {path: SEGMENT.sub(r"\g<0>-", stem) for path, stem in stems_of(shown).items()}
    return {stem: NamedFile(shown[path], path) for path, stem in stems.items()}


def nameless(relative: PurePosixPath, words: frozenset[str]) -> PurePosixPath:
    """Returns a path with a pseudonym in place of each part that holds one of the words."""
    suffix = SUFFIX.search(relative.name)
    ending = suffix[0] if suffix else ""
    *folders, name = [*relative.parts[:-1], relative.name.removesuffix(ending)]
    return PurePosixPath(*(_part(part, words) for part in folders), _part(name, words) + ending)


def _part(part: str, words: frozenset[str]) -> str:
    text = patient_key(part)
    numbers = re.findall(r"\d+", re.sub(r"(?<=\d)[-./ _](?=\d)", "", text)) + re.findall(r"\d+", text)
    return pseudonym(part) if {*_letters(text), *numbers} & words else part
