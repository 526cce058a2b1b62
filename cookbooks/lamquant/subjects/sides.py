"""Reads a split that somebody fixed: the side of each subject or recording, in one of several forms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.subjects.names import patient_key
from cookbooks.lamquant.subjects.rows import column, read_table
from cookbooks.lamquant.subjects.stated import RECORDING_COLUMNS, SUBJECT_COLUMNS

SPLITS = ("train", "val", "test")
SIDES = {
    **{side: side for side in SPLITS},
    "training": "train",
    "valid": "val",
    "validation": "val",
    "testing": "test",
}
"""What a side may be called."""
SIDE_COLUMNS = ("split", "side", "set", "subset", "partition")
FORMS = (
    'write {"subjects": {"id": "train" | "val" | "test"}}, lists by side ({"train": [...], ...}), or TSV or'
    " CSV with the columns subject or recording, and split"
)


class ManifestInvalid(Refused, ValueError):
    """Says that a manifest cannot be used; names the entry and the remedy."""


@dataclass(frozen=True)
class Sides:
    """Holds the side of subjects, of recordings, and of names that may be either."""

    subjects: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict)
    either: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, dict[str, str]]:
        """Returns the sides as plain values, in one order."""
        return {
            name: dict(sorted(getattr(self, name).items())) for name in ("subjects", "recordings", "either")
        }

    def __bool__(self) -> bool:
        return bool(self.subjects or self.recordings or self.either)


def read_manifest(path: Path) -> Sides:
    """Returns the sides that a file gives.

    Raises:
        ManifestInvalid: it has none of the forms, names a side that there is not, or puts one on two.
    """
    try:
        value = read_table(path)
    except ValueError as error:
        raise ManifestInvalid(f"manifest: {error}") from error
    sides = Sides()
    try:
        if isinstance(value, list):
            _from_rows(value, sides)
        else:
            _from_object(value, sides)
    except _Wrong as wrong:
        raise ManifestInvalid(f"manifest: {path.name}: {wrong}") from None
    if not sides:
        raise ManifestInvalid(f"manifest: {path.name}: puts nobody on a side: {FORMS}")
    return sides


class _Wrong(Exception):
    """Says what is wrong in a manifest, without the file's name."""


def _from_object(value: Mapping[str, Any], sides: Sides) -> None:
    if any(side in value for side in SIDES):
        unknown = sorted(name for name in value if name not in SIDES and isinstance(value[name], list))
        if unknown:
            raise _Wrong(f"{unknown[0]!r} is no side: there are train, val and test")
        _from_lists({name: value[name] for name in value if name in SIDES}, sides.either)
    for name, chosen in (("subjects", sides.subjects), ("recordings", sides.recordings)):
        given = value.get(name)
        if isinstance(given, dict) and given and all(isinstance(one, list) for one in given.values()):
            _from_lists(given, chosen)
        elif isinstance(given, dict):
            for one, side in given.items():
                _put(chosen, one, side)
        elif given is not None:
            raise _Wrong(f"{name!r} is {type(given).__name__}: {FORMS}")


def _from_lists(lists: Mapping[str, Any], chosen: dict[str, str]) -> None:
    for side, names in lists.items():
        if not isinstance(names, list):
            raise _Wrong(f"{side!r} is no list of names: {FORMS}")
        for name in names:
            _put(chosen, name, side)


def _from_rows(rows: Sequence[Any], sides: Sides) -> None:
    if not all(isinstance(row, dict) for row in rows):
        raise _Wrong(FORMS)
    side = column(rows, SIDE_COLUMNS)
    subject, recording = column(rows, SUBJECT_COLUMNS), column(rows, RECORDING_COLUMNS)
    if side is None or (subject is None and recording is None):
        raise _Wrong(f"its columns are {', '.join(map(repr, rows[0] if rows else []))}: {FORMS}")
    for row in rows:
        if recording is not None:
            _put(sides.recordings, row.get(recording), row.get(side))
        if subject is not None and (recording is None or row.get(subject)):
            _put(sides.subjects, row.get(subject), row.get(side))


def _put(chosen: dict[str, str], name: Any, side: Any) -> None:
    if not isinstance(name, str) or not name.strip():
        raise _Wrong(f"{name!r} is no name of a subject or recording")
    known = SIDES.get(patient_key(side)) if isinstance(side, str) else None
    if known is None:
        raise _Wrong(f"{name!r} is on side {side!r}: there are train, val and test")
    if chosen.setdefault(name, known) != known:
        raise _Wrong(f"{name!r} is in {chosen[name]} and in {known}: keep one")
