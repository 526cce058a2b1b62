"""Read the JSON file that heads a corpus, a split or a set of windows."""

import json
from pathlib import Path
from typing import Any


def read_index(path: Path, schema: str, what: str, remedy: str, error: type[Exception]) -> dict[str, Any]:
    """The parsed file.

    Raises:
        error: it is missing, not JSON, or of another schema; the message ends with the remedy.
    """
    try:
        index = json.loads(path.read_text())
    except (OSError, ValueError) as problem:
        raise error(f"{path}: not {what} ({problem}); {remedy}") from problem
    found = index.get("schema") if isinstance(index, dict) else None
    if found != schema:
        raise error(f"{path}: schema is {found!r}, expected {schema!r}; {remedy}")
    return index
