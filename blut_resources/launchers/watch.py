"""Looks after the jobs of this process: one query of the scheduler for all of them, and their files.

Two threads do it, as long as there are jobs: a controller that is away lets a query hang, and what jobs say
on the share is heard all the same.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.transport import NoAnswer
from blut_resources.machine.flag import Flag

FILES_S = 0.2
"""Seconds between two looks at the files of a job."""
LOOK_S = 2.0
"""Seconds between two queries."""
FIRST_S = 0.3
"""Seconds after which a new job is looked at first."""


class Watched(Protocol):
    """Stands for a job that is looked after."""

    @property
    def job(self) -> str:
        """Returns the id that its scheduler has given it."""
        ...

    def read(self) -> None:
        """Read what it has said, and see whether it has ended."""
        ...

    def see(self, sight: Sight) -> None:
        """Take what the scheduler says."""
        ...

    def miss(self, why: str) -> None:
        """Take it that the scheduler says nothing."""
        ...

    def press(self) -> None:
        """Pass on what the scheduler has not taken yet. Raises NoAnswer."""
        ...


class Watcher:
    """Looks after all jobs of this process at one scheduler."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._jobs: list[Watched] = []
        self._lock = threading.Lock()
        self._at_work: set[str] = set()
        self._soon = Flag()

    def add(self, job: Watched) -> None:
        """Look after a job from now on."""
        loops: dict[str, Callable[[], None]] = {"files": self._read, "scheduler": self._look}
        with self._lock:
            self._jobs.append(job)
            for name in loops.keys() - self._at_work:
                self._at_work.add(name)
                threading.Thread(target=loops[name], name=f"blut jobs: {name}", daemon=True).start()
        self.hurry()

    def remove(self, job: Watched) -> None:
        """Look after it no longer."""
        with self._lock, contextlib.suppress(ValueError):
            self._jobs.remove(job)
        self.hurry()

    def hurry(self) -> None:
        """Ask the scheduler soon."""
        self._soon.set()

    def _mine(self, name: str) -> list[Watched]:
        """Returns the jobs; where there are none, the thread of that name is to end."""
        with self._lock:
            if not self._jobs:
                self._at_work.discard(name)
            return [*self._jobs]

    def _read(self) -> None:
        while jobs := self._mine("files"):
            for job in jobs:
                try:
                    job.read()
                except OSError:  # a share that is away for a moment
                    pass
                except Exception as error:  # one whose files make no sense is not the only one
                    job.miss(f"its files are not understood ({error!r})")
            time.sleep(FILES_S)

    def _look(self) -> None:
        while jobs := self._mine("scheduler"):
            sights: Mapping[str, Sight] = {}
            with self._told_to(*jobs):
                sights = self._scheduler.look({job.job for job in jobs})
            for job in jobs if sights else ():
                with self._told_to(job):  # what is said of one, or cannot be done, is no matter of the others
                    job.see(sights[job.job])
                    job.press()
            if self._soon.wait(LOOK_S):
                time.sleep(FIRST_S)
                self._soon.clear()

    @contextlib.contextmanager
    def _told_to(self, *jobs: Watched) -> Iterator[None]:
        """Tell jobs that the scheduler has no answer, or none that makes sense: the thread has to live on."""
        try:
            yield
        except NoAnswer as error:
            why = str(error)
        except Exception as error:
            why = f"{self._scheduler.name} gives an answer that is not understood ({error!r})"
        else:
            return
        for job in jobs:
            job.miss(why)


_watchers: dict[tuple[str, str], Watcher] = {}
_making = threading.Lock()


def watcher_of(scheduler: Scheduler) -> Watcher:
    """Returns what looks after the jobs of this process at a scheduler."""
    with _making:
        return _watchers.setdefault((scheduler.name, scheduler.where), Watcher(scheduler))
