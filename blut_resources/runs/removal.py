"""Removes what a deleted run has left in the instance directory; what it made stays in the artifact store."""

from pathlib import Path

from blut_resources.files.durable import remove_tree
from blut_resources.machine import liveness
from blut_resources.runs.files import run_dir


def files_of(home: Path, run_id: str) -> list[Path]:
    """Returns the places in the instance directory that are one run's own; some may not be there."""
    databases = [home / "history" / "runs" / f"{run_id}.db{suffix}" for suffix in ("", "-wal", "-shm")]
    return [run_dir(home, run_id), home / "storage" / run_id, *databases]


def remove_files(home: Path, run_id: str) -> bool:
    """Remove the directory, logs and database of a run; False, and nothing is, while it may be at work.

    Whoever looks for dead runs later removes them then.
    """
    mark = home / "alive" / run_id
    if mark.exists() and liveness.marked(mark) != "no":
        return False
    for path in (*files_of(home, run_id), mark):
        remove_tree(path)
    return True
