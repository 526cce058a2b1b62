"""Notes which runs were removed to free the disk, in ``removed-runs.jsonl`` of the instance directory.

A line is written before a run is removed and another one after it: what was begun and not finished is known,
and so is that a result is not strange because its run is gone.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

FILE = "removed-runs.jsonl"
BEGUN, DONE = "begun", "done"


def note(home: Path, run_id: str, state: str, **facts: Any) -> None:
    """Write down, durably, that the removal of a run has ``begun`` or is ``done``."""
    line = json.dumps({"t": round(time.time(), 3), "run": run_id, "state": state, **facts})
    with (home / FILE).open("a") as file:
        # a line that a power cut has torn ends here, and is no part of the next one
        file.write(f"\n{line}\n" if file.tell() and not _ends(home / FILE) else f"{line}\n")
        file.flush()
        os.fsync(file.fileno())


def removed(home: Path) -> set[str]:
    """Returns the runs that were removed, or are being removed."""
    return {line["run"] for line in _lines(home)}


def unfinished(home: Path) -> list[str]:
    """Returns the runs whose removal was begun and not done, in that order."""
    states = {line["run"]: line["state"] for line in _lines(home)}
    return [run_id for run_id, state in states.items() if state != DONE]


def _lines(home: Path) -> Iterator[dict[str, Any]]:
    try:
        text = (home / FILE).read_text(errors="replace")
    except FileNotFoundError:
        return
    for line in text.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict) and isinstance(said.get("run"), str) and said.get("state") in (BEGUN, DONE):
            yield said


def _ends(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read() == b"\n"
