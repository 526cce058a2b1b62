"""Where the instance and its store are, found without loading Dagster."""

import os
from pathlib import Path


def find_home(start: Path | None = None) -> Path:
    """The instance directory: $DAGSTER_HOME, else the enclosing checkout's, else the user's own."""
    exported = os.environ.get("DAGSTER_HOME")
    if exported:
        return Path(exported).resolve()
    start = (start or Path.cwd()).resolve()
    for directory in (start, *start.parents):
        if (directory / ".dagster" / "dagster.yaml").is_file():
            return directory / ".dagster"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "blut" / "dagster"


def store_root(home: Path) -> Path:
    """The directory of the instance's artifact store; $BLUT_STORE puts it on another disk."""
    return Path(os.environ.get("BLUT_STORE") or home / "store")
