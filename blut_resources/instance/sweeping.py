"""Removes the files of runs that were deleted by other means than Blut's, such as Dagster's own UI."""

import uuid
from pathlib import Path

import dagster as dg

from blut_resources.dagster_private.history import identity
from blut_resources.files.documents import DocumentError
from blut_resources.instance.instance import home_of
from blut_resources.runs import manifest
from blut_resources.runs.files import RUNS, manifest_path
from blut_resources.runs.removal import remove_files


def sweep(instance: dg.DagsterInstance) -> list[str]:
    """Remove what deleted runs have left in the instance directory; returns which.

    Only of those that this very history has known: where it was moved aside, and another one begun, the files
    of the older runs stay. What a run made stays in the artifact store.
    """
    home = home_of(instance)
    there = {path.name for path in (home / RUNS).iterdir()} if (home / RUNS).is_dir() else set[str]()
    gone = sorted(name for name in there - _known(instance, there) if _is_id(name))
    return [run_id for run_id in gone if _is_of(instance, home, run_id) and remove_files(home, run_id)]


def _known(instance: dg.DagsterInstance, there: set[str]) -> set[str]:
    return set(instance.get_run_ids()) if there else set()


def _is_id(name: str) -> bool:
    try:
        return str(uuid.UUID(name)) == name
    except ValueError:
        return False


def _is_of(instance: dg.DagsterInstance, home: Path, run_id: str) -> bool:
    """Says whether a manifest names the history of this instance."""
    try:
        history = manifest.read(manifest_path(home, run_id)).get("history")
    except (OSError, DocumentError):
        return False
    return bool(history) and history == identity(instance)
