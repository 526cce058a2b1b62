"""Keeps what was found in recordings, so that those that have not changed are not opened again."""

import json
from pathlib import Path
from typing import Any

NOTES = "annotated"
"""Directory of the store with notes. It may be removed: recordings are then opened again."""


def read_notes(place: Path) -> dict[str, Any] | None:
    """Returns what was noted; None where nothing was, or it is torn."""
    try:
        notes = json.loads(place.read_bytes())
    except (OSError, ValueError):
        return None
    return notes if isinstance(notes, dict) else None
