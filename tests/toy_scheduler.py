"""A scheduler of this machine: it starts scripts, forgets them, starts them again, or says nothing."""

import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from blut_resources.launchers.base import Order
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.transport import NoAnswer


def until(true: Callable[[], Any]) -> None:
    """Wait, for a minute at most."""
    ends = time.monotonic() + 60
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.02)


class ToyScheduler:
    """Does what `Scheduler` asks.

    Attributes:
        silent: it does not answer.
        forgetful: it answers, and knows no job.
        stale: its answers are those of when it was made: all jobs wait.
        starts: how often it has started something.
        gives: variables that its jobs find.
    """

    name = "toy"

    def __init__(self, log: Path) -> None:
        self._log, self.where = log, str(log)
        self._job: subprocess.Popen[bytes] | None = None
        self._commands: list[str] = []
        self.silent = self.forgetful = self.stale = False
        self._made = time.monotonic()
        self.starts, self.looks = 0, 0
        self.gives: Mapping[str, str] = {}
        self.waits = False
        self.asked: list[bool] = []

    def refuse(self, order: Order) -> str:
        return ""

    def submit(self, order: Order, command: str, comment: str, secrets: Sequence[str]) -> str:
        self._commands.append(command)
        if not self.waits:
            self.start()
        return "1"

    def start(self) -> None:
        """Start what was submitted, or start it again."""
        self.starts += 1
        self.waits = False
        with self._log.open("ab") as log:
            env = {**os.environ, **self.gives}
            words = ["sh", "-c", self._commands[-1]]
            self._job = subprocess.Popen(words, env=env, stdout=log, stderr=log, start_new_session=True)

    def lose(self) -> None:
        """Lose the node: the agent dies at once, and what it held."""
        assert self._job
        self.waits = True  # before it has ended, or somebody may see that it has
        os.killpg(self._job.pid, signal.SIGKILL)
        self._job.wait()

    def preempt(self) -> None:
        """Tell the job to end, and let it wait for another start."""
        assert self._job
        self.waits = True  # as above
        self._job.send_signal(signal.SIGTERM)
        self._job.wait()

    def find(self, comment: str) -> str | None:
        return "1" if self._commands else None

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        self.looks += 1
        if self.silent:
            raise NoAnswer("nobody answers")
        now = time.monotonic()
        if self.forgetful:
            return dict.fromkeys(jobs, Sight("unknown", at=now))
        if self.stale:
            sight = Sight("waiting", "PENDING", "None", at=self._made)
        elif self.waits:
            sight = Sight("waiting", "PENDING", "Resources", restarts=self.starts, at=now)
        elif self._job and self._job.poll() is None:
            sight = Sight("running", "RUNNING", node="here", at=now)
        else:
            sight = Sight("ended", "COMPLETED", node="here", at=now)
        return dict.fromkeys(jobs, sight)

    def end(self, job: str, *, at_once: bool) -> None:
        if self.silent:
            raise NoAnswer("nobody answers")
        self.asked.append(at_once)
        if self.waits:
            self.waits = False
        elif self._job and self._job.poll() is None:
            self._job.send_signal(signal.SIGKILL if at_once else signal.SIGTERM)

    def ask_again(self, job: str) -> None:
        self.start()

    def close(self) -> None:
        """End what is left."""
        if self._job and self._job.poll() is None:
            os.killpg(self._job.pid, signal.SIGKILL)
            self._job.wait()
