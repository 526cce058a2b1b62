"""The manifest of a run: what ran, of what, on what, and how it ended; ``manifest.json`` of its directory."""

import json
from pathlib import Path
from typing import Any


def read(path: Path) -> dict[str, Any]:
    """The manifest of a run.

    Raises:
        FileNotFoundError: there is none.
    """
    return json.loads(Path(path).read_text())
