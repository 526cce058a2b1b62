"""Reads for the cockpit, in a thread of its own: the screen waits for no import, no lock and no database."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blut_assets.cli.cockpit.pane import LooksBefore, LookWanted, Rows
from blut_assets.cli.cockpit.panes import PANES

if TYPE_CHECKING:
    import dagster as dg

LIMIT_S = 5.0
"""Seconds after which a look that has not ended is told of; what was there before stays on the screen."""
POLICIES_S = 60
"""Seconds after which policies are looked at anew: their data is in no file of a home."""
EVERY_S = {"B": 30.0, "M": 3.0, "D": 5.0, "G": 30.0, "I": 30.0, "A": 60.0, "C": 30.0}
"""Seconds for which what was read of a view counts, where every change of a run would have it read anew."""
DATABASES = ("history/runs.db", "history/runs/index.db")
INDEXES = ("history/runs/index.db", "history/runs/index.db-wal")
RELEVANT = ("history/runs.db", "history/runs.db-wal", *INDEXES, "alive")
"""Files of an instance of which one changes whenever a run does."""


@dataclass(frozen=True)
class CockpitLook:
    """Holds what a look has found: rows, or a sentence that says why there are none.

    ``rows`` is None where nothing has changed since, or nothing could be read.
    """

    wanted: LookWanted
    rows: Rows | None
    said: str = ""
    at: float = 0.0


class CockpitReader:
    """Does one look at a time, and hands over what it finds, from its own thread."""

    def __init__(self, tell: Callable[[CockpitLook], object]) -> None:
        """Take whom to tell. Nothing is loaded before `start`."""
        self._tell = tell
        self._asked: queue.SimpleQueue[LookWanted] = queue.SimpleQueue()
        self._instance: dg.DagsterInstance | None = None
        self._seen, self._before = LooksBefore(), (LookWanted(""), ())
        self._databases: list[Path] = []
        self._read_at = 0.0
        self._settings: tuple[Any, ...] | None = ()
        self._on_server = False
        self._begun: float | None = None

    def start(self) -> None:
        """Start to load Dagster, and then to read. The thread ends with the process."""
        threading.Thread(target=self._serve, name="blut-cockpit", daemon=True).start()

    def ask(self, wanted: LookWanted) -> bool:
        """Order a look, unless one goes on; says whether it did."""
        if self._begun is not None:
            return False
        self._begun = time.monotonic()
        self._asked.put(wanted)
        return True

    def late_s(self) -> float:
        """Returns for how many seconds a look goes on that should have ended; 0 if none does."""
        begun = self._begun
        seconds = 0.0 if begun is None else time.monotonic() - begun
        return seconds if seconds > LIMIT_S else 0.0

    def _serve(self) -> None:
        while True:
            wanted = self._asked.get()
            found = self.look(wanted)
            self._begun = None
            self._tell(found)

    def look(self, wanted: LookWanted) -> CockpitLook:
        """Read a view now, in this thread, if a file has changed since the last time."""
        try:
            return self._look(wanted)
        except (Exception, SystemExit) as error:  # whatever it is, it is told and looked at again
            self._before = (LookWanted(""), ())
            return CockpitLook(wanted, None, sentence(error), time.time())

    def _look(self, wanted: LookWanted) -> CockpitLook:
        from blut_assets.own_packages import scaffolded
        from blut_resources.instance.home import find_home, not_born
        from blut_resources.instance.instance import open_instance

        if self._instance is None and scaffolded():
            import blut_assets.definitions  # noqa: F401  # what the project gives of a deployment counts
        stamp = self._stamp(find_home(), wanted)
        if wanted.anew:
            self._seen.findings, self._seen.ended, self._seen.listed_of = [], {}, ()
        elif self._counts(wanted, stamp):
            return CockpitLook(wanted, None, at=time.time())
        databases = [path for name in DATABASES if (path := find_home() / name).exists()]
        if self._instance is None or databases != self._databases:
            # one that was opened before its first run has nothing for good
            self._instance, self._databases = open_instance(write=False), databases
        self._seen.partly = False
        rows = PANES[wanted.pane].read(self._instance, self._seen, wanted)
        self._before, self._read_at = (wanted, stamp), time.monotonic()
        return CockpitLook(wanted, rows, not_born(find_home()), time.time())

    def _counts(self, wanted: LookWanted, stamp: tuple[Any, ...]) -> bool:
        """Says whether what was read last of this view is still to be shown."""
        if wanted != self._before[0] or self._seen.partly:
            return False
        soon = time.monotonic() - self._read_at < EVERY_S.get(wanted.pane, 0.0)
        return soon or (bool(stamp) and stamp == self._before[1])

    def _stamp(self, home: Path, wanted: LookWanted) -> tuple[Any, ...]:
        """Returns what changes with the files that a view is made of; empty where that cannot be told."""
        from blut_resources.instance.database import named
        from blut_resources.leases.place import named_place

        settings = _times(home / "dagster.yaml")
        if settings != self._settings:
            self._settings, self._on_server = settings, named(home).address is not None
        if self._on_server:
            return ()
        runs = {*self._seen.live, *([wanted.run] if wanted.run else [])}
        paths = [home / name for name in RELEVANT]
        paths += [
            path for run in sorted(runs) for path in sorted((home / "runs" / run).glob("status*.jsonl"))
        ]
        paths += [
            path for run in sorted(runs) for path in sorted((home / "history" / "runs").glob(f"{run}.db*"))
        ]
        policies = self._policies(home) if wanted.pane == "S" else ()
        return (*(_times(path) for path in [*paths, named_place()]), *policies)

    def _policies(self, home: Path) -> tuple[Any, ...]:
        """Returns what policies change with beside runs: their file, and the clock."""
        from sensors.policy.file import policy_path

        return _times(policy_path()), int(time.time() // POLICIES_S)


def _times(path: Path) -> tuple[str, int, int] | None:
    try:
        there = path.stat()
    except OSError:
        return None
    return str(path), there.st_mtime_ns, there.st_size


def sentence(error: BaseException) -> str:
    """Returns an error in a sentence, with the remedy where one is known."""
    from blut_resources.instance.damage import explained, is_of_database
    from blut_resources.instance.home import find_home

    if is_of_database(error):
        return str(explained(find_home(), error))
    known = isinstance(error, LookupError) or type(error).__module__.startswith(
        ("blut_", "sensors", "cookbooks")
    )
    return str(error) if known and str(error) else f"{type(error).__name__}: {error}"
