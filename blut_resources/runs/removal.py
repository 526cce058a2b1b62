"""Removes what a deleted run has left in the instance directory; what it made stays in the artifact store."""

from pathlib import Path

from blut_resources.files.durable import remove_tree
from blut_resources.machine import liveness
from blut_resources.runs.files import run_dir


def remove_files(home: Path, run_id: str) -> bool:
    """Remove the directory, logs and database of a run; False, and nothing is, while it may be at work.

    Whoever looks for dead runs later removes them then.
    """
    mark = home / "alive" / run_id
    if mark.exists() and liveness.marked(mark) != "no":
        return False
    for path in (run_dir(home, run_id), home / "storage" / run_id, home / "alive" / "made" / run_id, mark):
        remove_tree(path)
    for suffix in ("", "-wal", "-shm"):
        (home / "history" / "runs" / f"{run_id}.db{suffix}").unlink(missing_ok=True)
    return True
