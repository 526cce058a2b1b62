"""Keeps why a run ended that could not say so in its history: in its directory, for whoever finds it dead."""

import contextlib
from pathlib import Path

from blut_resources.files.durable import StoreError, write_atomic
from blut_resources.runs.files import run_dir
from blut_resources.text import one_line

NAME = "unsaid.txt"
LONGEST = 2000


def leave_word(home: Path, run_id: str, why: str) -> None:
    """Write down why a run ends, where its database is out of reach."""
    with contextlib.suppress(OSError, StoreError):  # then nobody knows why
        write_atomic(run_dir(home, run_id) / NAME, why.encode(errors="replace"))


def word_of(directory: Path) -> str:
    """Returns why the run of a directory said it would end; empty if it said nothing."""
    with contextlib.suppress(OSError):
        return one_line((directory / NAME).read_text(errors="replace"), LONGEST)
    return ""
