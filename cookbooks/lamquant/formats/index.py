"""Read the JSON file that heads a corpus, a split or a set of windows."""

from pathlib import Path
from typing import Any

from blut_resources.files.documents import read_json
from blut_resources.files.foreign import read_regular

MOST = 512 << 20
"""Bytes of an index at most."""
SOURCE = "source_"
"""Before the name of a directory outside of a corpus whose archives it lists, among a payload's inputs."""


def read_index(path: Path, schema: str, what: str, remedy: str, error: type[Exception]) -> dict[str, Any]:
    """Returns the parsed file.

    Raises:
        error: it is missing, not JSON, or of another schema; the message ends with the remedy.
    """
    try:
        index = read_json(read_regular(path, MOST), path.name, MOST)
    except (OSError, ValueError) as problem:
        raise error(f"{path}: not {what} ({problem}); {remedy}") from problem
    found = index.get("schema") if isinstance(index, dict) else None
    if found != schema:
        raise error(f"{path}: schema is {found!r}, expected {schema!r}; {remedy}")
    return index
