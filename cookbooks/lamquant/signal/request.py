"""Keeps what a user's files say of a split, in one form: who is who, and who is on which side."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from blut_resources.payload_kit.refuse import Refused
from cookbooks.lamquant.formats.index import read_index
from cookbooks.lamquant.subjects.sides import Sides

REQUEST = "request.json"
SCHEMA = "blut.split_request.v1"


class RequestInvalid(Refused):
    """Says that ``request.json`` is not what it should be."""


@dataclass(frozen=True)
class Requested:
    """Holds who is who, and who is on which side; both empty where the user gave no file.

    Attributes:
        critical: stems of the files with seizures, each side of the split to have some of their patients;
            None where that was not asked for.
    """

    subjects: Mapping[str, str] = field(default_factory=dict)
    sides: Sides = field(default_factory=Sides)
    critical: tuple[str, ...] | None = None

    @property
    def manifest_digest(self) -> str | None:
        """Returns a digest of the sides, equal however they were written; None where there are none."""
        return _digest(self.sides.as_json()) if self.sides else None

    @property
    def subjects_digest(self) -> str | None:
        """Returns a digest of the stated subjects; None where there are none."""
        return _digest(dict(self.subjects)) if self.subjects else None

    def to_json(self) -> bytes:
        """Returns what the file holds; it depends on what was said alone, and not on where."""
        value = {"schema": SCHEMA, "subjects": dict(self.subjects), "sides": self.sides.as_json()}
        if self.critical is not None:
            value["critical"] = sorted(self.critical)
        return (json.dumps(value, sort_keys=True, indent=1) + "\n").encode()


def read_request(directory: Path) -> Requested:
    """Returns what ``request.json`` in a directory says.

    Raises:
        RequestInvalid: it is missing or malformed.
    """
    remedy = "run the recipe again"
    value = read_index(directory / REQUEST, SCHEMA, "a request for a split", remedy, RequestInvalid)
    try:
        critical = tuple(map(str, value["critical"])) if "critical" in value else None
        return Requested(dict(value["subjects"]), Sides(**value["sides"]), critical)
    except (KeyError, TypeError, ValueError) as error:
        raise RequestInvalid(f"{REQUEST}: {error!r}; {remedy}") from error


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
