"""Names the files by which a launched job and the run that wants it know of each other.

They lie in the place of a payload, on a disk that both see. Before the job: ``launch.json``, all that it is
to do, and ``job.json``, how the scheduler calls it. From the node: ``attempt.json``, which of the starts of
the job counts (a scheduler may start it again), ``up.json`` and ``beat.json`` of that one, and for each start
a directory ``attempt.<n>`` with its messages, its log and what it wrote, and ``outcome.<n>.json``.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blut_resources.machine import wire

LAUNCH, JOB = "launch.json", "job.json"
ATTEMPT, UP, BEAT = "attempt.json", "up.json", "beat.json"
REFUSED, CANCEL = "refused.json", "cancel.json"
CONFIG, CONTEXT, MESSAGES, CODE, LOG = "config.json", "context.json", "messages", "code.json", "log"
OUT = "out"
PRINTED = "job.log"
"""What the job itself has printed, which is nothing unless its agent could not start."""
BEAT_S = 2.0
"""Seconds between two signs of life of the agent."""
SCHEMA = 1
NOT_STARTED = 97
"""Exit status of a job that did not start its payload; `REFUSED` says why."""
NO_SHARE = 96
"""Exit status of a job that could not read its order or write beside it: only its scheduler can tell."""


def attempt_dir(place: Path, number: int) -> Path:
    """Returns the directory of one start of the job."""
    return place / f"attempt.{number}"


def outcome_file(place: Path, number: int) -> Path:
    """Returns the file in which one start of the job says how it ended."""
    return place / f"outcome.{number}.json"


def newest_attempt(place: Path) -> int | None:
    """Returns the number of the start that counts; None before the first."""
    found = wire.read(place / ATTEMPT)
    return None if found is None else int(found["attempt"])


def write_durable(path: Path, value: dict[str, Any]) -> None:
    """Replace a small file; it is on the disk before this returns. Raises OSError."""
    wire.write(path, value)
    for one, flags in ((path, os.O_RDONLY), (path.parent, os.O_RDONLY | os.O_DIRECTORY)):
        fd = os.open(one, flags | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)


def note_job(place: Path, launch: Mapping[str, Any], job: str) -> dict[str, Any]:
    """Write down which job an order has become; returns what was written."""
    known = {name: launch[name] for name in ("scheduler", "profile", "memory")}
    known |= {"job": job, "submitted": time.time()}
    write_durable(place / JOB, known)
    return known
