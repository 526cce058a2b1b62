"""Lists what a run of this machine writes to, by how a person puts each elsewhere."""

import os
from pathlib import Path

from blut_resources.files.full import SAID, blamed
from blut_resources.files.named import base_directory
from blut_resources.instance.home import store_root
from blut_resources.leases.place import named_place


def places(home: Path) -> dict[str, Path]:
    """Returns the places that are written to, by variable or by name; the more special ones first."""
    return {
        "$BLUT_STORE": store_root(home),
        "$DAGSTER_HOME": home,
        "$TMPDIR": Path(os.environ.get("TMPDIR") or "/tmp"),  # noqa: S108
        "$BLUT_LEASES": named_place(),
        "$XDG_CACHE_HOME": base_directory("XDG_CACHE_HOME", ".cache"),
        "$XDG_CONFIG_HOME": base_directory("XDG_CONFIG_HOME", ".config"),
        "the working directory": Path(),
        "shared memory": Path("/dev/shm"),  # noqa: S108
    }


def full_by_words(home: Path, printed: str) -> str:
    """Returns which place is full and what to do, for a program of a run that said that one is.

    Args:
        home: of the instance.
        printed: what it said last; where it has named the place itself, that counts.
    """
    for line in reversed(printed.splitlines()):
        if line.startswith(SAID):
            return line.removeprefix(SAID)
    return blamed(printed, places(home))
