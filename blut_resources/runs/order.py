"""Says what an experiment tracker is to be told of one asset of a run, and keeps that until it was told.

An order is a file in ``untold`` of the instance directory, locked by the process that tells it. One that
nobody has locked was broken off: it is told again from the run's own stream of events.
"""

import contextlib
import io
import json
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from blut_resources.files.durable import acquire, write_atomic
from blut_resources.runs.files import run_dir

UNTOLD = "untold"
TRIES = 3
"""How often it is tried again unasked."""


@dataclass(frozen=True)
class TrackedRun:
    """Describes one run of a tracker.

    Attributes:
        home: the instance directory.
        mode: what ``WANDB_MODE`` said when the asset was made.
        tries: how often it failed when it was told again.
        begun: when, in nanoseconds; an attempt may begin while the one before is still being told.
    """

    home: str
    run_id: str
    asset: str
    experiment: str
    config: dict[str, Any] = field(default_factory=dict)
    project: str = "blut"
    mode: str = "offline"
    tries: int = 0
    begun: int = field(default_factory=time.time_ns)

    @property
    def slug(self) -> str:
        """Returns the asset as a part of a file's name."""
        return self.asset.replace("/", "-")

    @property
    def directory(self) -> Path:
        """Returns where the run's own files are."""
        return run_dir(Path(self.home), self.run_id)

    @property
    def path(self) -> Path:
        """Returns its file."""
        return Path(self.home) / UNTOLD / f"{self.run_id}.{self.slug}.{self.begun}.json"

    @property
    def log(self) -> Path:
        """Returns what the process that tells it prints."""
        return self.directory / f"tracker-{self.slug}.log"

    def keep(self) -> None:
        """Write it down.

        Raises:
            StoreError: it cannot be written.
        """
        self.path.parent.mkdir(exist_ok=True)
        write_atomic(self.path, json.dumps(asdict(self), default=str).encode())

    def failed(self) -> "TrackedRun":
        """Returns it with one more try."""
        return replace(self, tries=self.tries + 1)


def read(path: Path) -> TrackedRun | None:
    """Returns the order in a file; None where it is gone or none."""
    with contextlib.suppress(OSError, ValueError, TypeError):
        return TrackedRun(**json.loads(path.read_bytes()))
    return None


def kept(home: Path, run_id: str = "") -> list[TrackedRun]:
    """Returns the orders that were not told to their end, of a run or of all."""
    found = (read(path) for path in sorted((home / UNTOLD).glob(f"{run_id or '*'}.*.json")))
    return [order for order in found if order]


def claim(order: TrackedRun) -> io.FileIO | None:
    """Returns a file that holds an order, to be given to the process that tells it; None if it is held.

    Raises:
        StoreError: there is no place for the lock.
    """
    return acquire(_lock(order), wait=False)


def drop(order: TrackedRun) -> None:
    """Remove what was told, or cannot be any more."""
    for path in (order.path, _lock(order)):
        path.unlink(missing_ok=True)


def _lock(order: TrackedRun) -> Path:
    return order.path.with_name(f".{order.path.name}.lock")
