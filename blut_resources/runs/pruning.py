"""Ends a training early because another one promises more: what its run is told, and what that is called."""

import contextlib
from pathlib import Path

from blut_resources.files.durable import write_atomic
from blut_resources.runs.files import run_dir

WORD = "pruned"
"""How a run has ended that was given up, or paused, for others."""
BUDGET_TAG = "blut/budget"
"""Of a run: the asset whose training pauses, and after how many epochs, such as ``book/model=9``."""
PRUNE = "prune"
"""The file of a run that somebody writes who wants it to be given up."""


def budget_tag(asset: str, epochs: int) -> dict[str, str]:
    """Returns the tag of a run whose training of an asset is to pause after some epochs."""
    return {BUDGET_TAG: f"{asset}={epochs}"}


def budget_of(said: str, asset: str) -> int | None:
    """Returns after how many epochs the training of an asset pauses by that tag; None for never."""
    name, _, epochs = said.rpartition("=")
    return int(epochs) if name == asset and epochs.isdigit() else None


def ask_to_prune(home: Path, run_id: str, why: str) -> None:
    """Have a run given up, which ends with a checkpoint.

    Raises:
        StoreError: the word cannot be written.
    """
    write_atomic(run_dir(home, run_id) / PRUNE, why.encode())


def pruned_for(home: Path, run_id: str) -> str:
    """Returns why somebody wants a run given up; empty where nobody does."""
    with contextlib.suppress(OSError, ValueError):
        return (run_dir(home, run_id) / PRUNE).read_text()
    return ""
