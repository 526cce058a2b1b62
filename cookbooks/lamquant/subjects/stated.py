"""Reads who is who where the user states it: a file of recordings and their subjects."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.subjects.lookup import NamedRecordings
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.rows import column, read_table

RECORDING_COLUMNS = ("recording", "file", "filename", "path", "stem")
SUBJECT_COLUMNS = ("subject", "patient", "participant", "participant_id", "subject_id")


class SubjectsInvalid(Refused, ValueError):
    """Says that a file of subjects cannot be used; names the entry and the remedy."""


def read_subjects(path: Path) -> dict[str, str]:
    """Returns the subject of each recording or directory that the file names.

    It is TSV or CSV with the columns ``recording`` (or ``file``) and ``subject``, or a JSON object of names
    to subjects.

    Raises:
        SubjectsInvalid: it is something else, or names a recording twice with different subjects.
    """
    try:
        value = read_table(path)
    except ValueError as error:
        raise SubjectsInvalid(f"subjects: {error}") from error
    if isinstance(value, dict):
        pairs = [(name, value[name]) for name in value]
    else:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise SubjectsInvalid(f"subjects: {path.name}: give an object of recordings to subjects, or rows")
        one, other = column(value, RECORDING_COLUMNS), column(value, SUBJECT_COLUMNS)
        if one is None or other is None:
            raise SubjectsInvalid(
                f"subjects: {path.name}: the header needs the columns 'recording' (or 'file') and 'subject'"
            )
        pairs = [(row.get(one), row.get(other)) for row in value]
    stated: dict[str, str] = {}
    for name, subject in pairs:
        if not isinstance(name, str) or not isinstance(subject, str) or not name or not subject.strip():
            raise SubjectsInvalid(f"subjects: {path.name}: {name!r} has the subject {subject!r}: give a name")
        if patient_key(stated.setdefault(name, subject)) != patient_key(subject):
            raise SubjectsInvalid(
                f"subjects: {path.name}: {name!r} is of {stated[name]!r} and of {subject!r}: keep one"
            )
    if not stated:
        raise SubjectsInvalid(f"subjects: {path.name}: names no recording: add some, or leave the arg out")
    return stated


def stated_of(entries: Sequence[Mapping[str, Any]], stated: Mapping[str, str]) -> dict[str, str]:
    """Returns the stated subject of each recording, by stem; a file's own wins over its directory's.

    Raises:
        SubjectsInvalid: a name is unknown or could be several, or one recording gets two subjects.
    """
    if not stated:
        return {}
    recordings = NamedRecordings(entries)
    chosen: dict[str, tuple[int, str, str]] = {}
    problems = []
    for name, subject in sorted(stated.items()):
        try:
            stems, narrow = recordings.named(name)
        except KeyError as error:
            problems.append(str(error.args[0]))
            continue
        for stem in stems:
            held = chosen.get(stem)
            if held is None or narrow > held[0]:
                chosen[stem] = (narrow, subject, name)
            elif narrow == held[0] and patient_key(subject) != patient_key(held[1]):
                problems.append(f"{stem} is of {held[1]!r} as {held[2]!r} and of {subject!r} as {name!r}")
    if problems:
        more = f"; and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise SubjectsInvalid(f"subjects: {'; '.join(problems[:5])}{more}: correct the file")
    return {stem: subject for stem, (_, subject, _) in chosen.items()}
