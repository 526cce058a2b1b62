"""Keeps what is known of a sweep in ``sweeps/<id>`` of the instance directory.

::

    sweep.json      what was asked for: recipe, args, axes, and where it was typed
    trials.jsonl    what happened, a JSON object a line, only ever appended; trials may be added while it runs
    .lock           held while somebody appends, or begins to lead it
    .running        marked by the process that leads it, and held by those that work for it
    output.log      what its command has said, where that was detached

The runs are the truth: each has the tags `SWEEP_TAG` and `TRIAL_TAG`, and what is here can be made of them.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

from blut_resources.boxes.locks import Hold, hold
from blut_resources.files.durable import explained, file_lock, remove_tree, write_atomic
from blut_resources.machine import liveness

SWEEPS, HEAD, TRIALS, RUNNING, OUTPUT = "sweeps", "sweep.json", "trials.jsonl", ".running", "output.log"
LOCK, GONE = ".lock", ".gone-"
SCHEMA = "blut.sweep.v1"
SWEEP_TAG, TRIAL_TAG, OVERRIDES_TAG = "blut/sweep", "blut/trial", "blut/overrides"
SEARCH_TAG = "blut/search"
"""Of a trial of a search: by what its trials are ranked, as JSON."""
State = Literal["waiting", "running", "ended"]
SUCCEEDED = "succeeded"
FAILED = ("failed", "refused", "deadline", "lost")
"""Outcomes of a trial that somebody has to look at; ``cancelled`` and ``pruned`` are none of them."""


@dataclass(frozen=True)
class Trial:
    """Describes a trial, and what became of it last.

    Attributes:
        number: from 1 on, in the order in which trials were asked for.
        overrides: by the dotted name of an argument, what it has instead.
        partition: of a recipe with partitions.
        key: by which it is known again, however its args were given.
        outcome: of one that has ended: ``succeeded``, or how else.
        why: what it died of, in a line.
        facts: of the result by which the trials are compared.
        seconds: that it took.
        begun, ended: in seconds since 1970.
        worker: the process that has it, or had.
        budget: the epochs after which it is to pause; None for never.
        attempts: how each of its runs has ended, this one too.
    """

    number: int
    overrides: Mapping[str, Any]
    partition: str | None = None
    key: str = ""
    state: State = "waiting"
    run_id: str = ""
    outcome: str = ""
    why: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    begun: float | None = None
    ended: float | None = None
    worker: int = 0
    budget: int | None = None
    attempts: tuple["TrialAttempt", ...] = ()

    @property
    def failed(self) -> bool:
        """Says whether it has ended in a way that somebody has to look at."""
        return self.state == "ended" and self.outcome in FAILED


class TrialAttempt(NamedTuple):
    """Describes one run of a trial that has ended; the fields are those of `Trial`."""

    run_id: str
    outcome: str
    facts: Mapping[str, Any]
    ended: float


class NewTrial(NamedTuple):
    """Describes a trial that is added; the fields are those of `Trial`."""

    overrides: Mapping[str, Any]
    partition: str | None = None
    key: str = ""
    budget: int | None = None


class SweepRecord:
    """Reads and writes what is known of one sweep of the instance in ``home``."""

    def __init__(self, home: Path, sweep_id: str) -> None:
        self.home, self.id = home, sweep_id
        self.place = home / SWEEPS / sweep_id
        self._trials: dict[int, Trial] = {}
        self._offset = 0
        self.stopped, self.closed, self.sessions = "", False, 0
        self.last: Mapping[str, Any] = {}

    @property
    def short(self) -> str:
        """Returns the id as people use it."""
        return self.id[:8]

    def head(self) -> dict[str, Any]:
        """Returns what was asked for.

        Raises:
            OSError: there is no such sweep.
            ValueError: what is there says nothing.
        """
        said = json.loads((self.place / HEAD).read_bytes())
        if not isinstance(said, dict) or said.get("schema") != SCHEMA:
            raise ValueError(f"{self.place / HEAD}: is not what `blut` has written")
        return said

    def write_head(self, head: Mapping[str, Any]) -> None:
        """Write down what is asked for; the last command counts.

        Raises:
            StoreError: it cannot be written.
        """
        said = {"schema": SCHEMA, "id": self.id, **head}
        write_atomic(self.place / HEAD, json.dumps(said, indent=1, default=str).encode())

    def touched(self) -> float:
        """Returns when it was written to last, in seconds since 1970."""
        trials = self.place / TRIALS
        return (trials if trials.exists() else self.place / HEAD).stat().st_mtime

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else append in the block, of those that work for who leads it, all on one machine."""
        with file_lock(self.place / LOCK, poll_s=0.01):
            yield

    @contextmanager
    def alone(self) -> Iterator[Hold]:
        """Let nobody else begin to lead it in the block, on whatever machine, or append.

        Raises:
            StoreError: locks do not hold there, or the server of the history does not answer.
        """
        from blut_resources.instance.database import lock_of_server  # who only reads needs no Dagster

        words = f"process {os.getpid()} on {os.uname().nodename}"
        with hold(self.place / LOCK, words, lock_of_server(self.home, f"sweep-{self.id}")) as alone:
            yield alone

    def append(self, *lines: Mapping[str, Any]) -> None:
        """Append lines, durably, for others to read; call it in a `locked` block.

        Raises:
            StoreError: they cannot be written.
        """
        path = self.place / TRIALS
        text = "".join(json.dumps({"t": time.time(), **line}, default=str) + "\n" for line in lines)
        with explained(path):
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            try:
                _cut_torn(descriptor)
                _write(descriptor, text.encode())
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def begin_anew(self) -> None:
        """Put aside what is known of the trials; call it in a `locked` block."""
        path = self.place / TRIALS
        if path.exists():
            path.replace(path.with_suffix(".before.jsonl"))
        self._trials, self._offset, self.closed, self.sessions = {}, 0, False, 0

    def say(self, *lines: Mapping[str, Any]) -> None:
        """Append lines under the lock."""
        with self.locked():
            self.append(*lines)

    def trials(self) -> dict[int, Trial]:
        """Returns the trials by number, as far as they are known now; only what is new is read."""
        path = self.place / TRIALS
        try:
            with path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
        except FileNotFoundError:
            data = b""
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            try:
                said = json.loads(line)
                self._take_in(said)
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # a line that a full disk has torn
        return dict(self._trials)

    def add(self, trials: Iterable["NewTrial"], *, closed: bool) -> None:
        """Add trials after those that are there.

        Args:
            closed: whether these are all; else workers that have nothing to do wait for more.
        """
        with self.locked():
            first = max(self.trials(), default=0) + 1
            lines = [
                {"what": "added", "trial": number, **one._asdict()}
                for number, one in enumerate(trials, first)
            ]
            self.append(*lines, *([{"what": "closed"}] if closed else ()))

    def take(self, run_id: str) -> Trial | None:
        """Returns the next trial that waits, and gives it to this process; None if there is none now."""
        with self.locked():
            known = self.trials()
            if self.stopped:
                return None
            for trial in known.values():
                if trial.state == "waiting":
                    self.append(
                        {"what": "taken", "trial": trial.number, "run": run_id, "worker": os.getpid()}
                    )
                    return self.trials()[trial.number]
        return None

    def end(self, number: int, outcome: str, why: str = "", *, stops: str = "", **about: Any) -> None:
        """Write down how a trial has ended.

        Args:
            stops: why no worker takes another trial after it, if that is so.
            about: ``seconds``, ``facts`` and ``run``.
        """
        ended = {"what": "ended", "trial": number, "outcome": outcome, "why": why, **about}
        self.say(ended, *([{"what": "stop", "why": stops}] if stops else ()))

    def go_on(self, number: int, budget: int | None) -> None:
        """Let a trial that has paused run again, up to so many epochs, or to its end."""
        self.say({"what": "again", "trials": [number], "budget": budget})

    def close(self) -> None:
        """Say that no trial will be added any more."""
        self.say({"what": "closed"})

    def stop(self, why: str) -> None:
        """Let no worker take another trial in this session."""
        self.say({"what": "stop", "why": why})

    def lead_here(self) -> liveness.Mark:
        """Show that this process leads it; processes that it forks hold the mark too.

        Raises:
            LedElsewhere: another process does, or works for one that did.
            StoreError: as `alone`.
        """
        with self.alone() as alone:
            if self.leads() != "no":
                raise LedElsewhere(self)
            alone.refuse_lost()
            (self.place / RUNNING).unlink(missing_ok=True)
            return liveness.Mark(self.place / RUNNING)

    def remove(self) -> bool:
        """Remove all that is known of it; False, and nothing is, while somebody leads it.

        Raises:
            StoreError: as `alone`.
        """
        with self.alone() as alone:
            if self.leads() != "no":
                return False
            alone.refuse_lost()
            gone = self.place.rename(self.place.with_name(f"{GONE}{self.id}"))
        remove_tree(gone)
        return True

    def leads(self) -> liveness.Answer:
        """Says whether somebody leads it, or works for it."""
        return liveness.marked(self.place / RUNNING) if (self.place / RUNNING).exists() else "no"

    def leader(self) -> liveness.Holder | None:
        """Returns the process that leads it, or did last."""
        return next(reversed(liveness.holders(self.place / RUNNING)), None)

    def _take_in(self, said: Mapping[str, Any]) -> None:
        what, at = said["what"], float(said["t"])
        if what == "added":
            number, overrides = int(said["trial"]), dict(said["overrides"])
            named = (said.get("partition"), str(said.get("key") or ""))
            self._trials.setdefault(number, Trial(number, overrides, *named, budget=said.get("budget")))
        elif what == "again":
            for number in said["trials"]:
                self._put(number, state="waiting", **({"budget": said["budget"]} if "budget" in said else {}))
        elif what == "taken":
            worker, run_id = int(said["worker"]), str(said["run"])
            self._put(
                said["trial"], state="running", run_id=run_id, begun=at, worker=worker, outcome="", why=""
            )
        elif what == "ended":
            about = {"facts": dict(said.get("facts") or {}), "seconds": said.get("seconds"), "ended": at}
            about |= {"run_id": str(said["run"])} if said.get("run") else {}
            outcome, why = str(said["outcome"]), str(said.get("why") or "")
            before = self._trials[int(said["trial"])]
            attempt = TrialAttempt(about.get("run_id", before.run_id), outcome, about["facts"], at)
            about["attempts"] = (*before.attempts, attempt)
            self._put(said["trial"], state="ended", outcome=outcome, why=why, **about)
        elif what == "stop":
            self.stopped = str(said.get("why") or "stopped")
        elif what == "closed":
            self.closed = True
        elif what == "session":
            self.stopped, self.sessions, self.last = "", self.sessions + 1, said
            self.closed = self.closed and not said.get("grows")
        elif what == "over":
            self.last = said

    def _put(self, number: int, **changes: Any) -> None:
        self._trials[int(number)] = replace(self._trials[int(number)], **changes)


def _write(descriptor: int, data: bytes) -> None:
    """Write all of it: a disk that fills up takes a part without an error, and says so at the next write."""
    while data:
        data = data[os.write(descriptor, data) :]


def _cut_torn(descriptor: int) -> None:
    """Remove what a killed process has left of its last line."""
    end = os.lseek(descriptor, 0, os.SEEK_END)
    if end and os.pread(descriptor, 1, end - 1) != b"\n":
        kept = os.pread(descriptor, end, 0).rfind(b"\n") + 1
        os.ftruncate(descriptor, kept)


class LedElsewhere(Exception):
    """Says that a sweep is at work already, and who leads it."""

    def __init__(self, record: SweepRecord) -> None:
        self.leader = record.leader()
        super().__init__(f"sweep {record.short} is at work already: {self.leader or 'nobody knows where'}")


def records(home: Path) -> list[SweepRecord]:
    """Returns the sweeps of the instance in ``home``, the newest first."""
    found = [path for path in (home / SWEEPS).glob("*/" + HEAD) if not path.parent.name.startswith(".")]
    return sorted(
        (SweepRecord(home, path.parent.name) for path in found), key=SweepRecord.touched, reverse=True
    )


class NoSuchSweep(LookupError):
    """Says that no sweep has an id that begins so, or that several have: those are ``found``."""

    def __init__(self, told: str, found: Sequence[SweepRecord]) -> None:
        super().__init__(told)
        self.found = found


def sweep_named(home: Path, prefix: str) -> SweepRecord:
    """Returns the sweep whose id begins with ``prefix``.

    Raises:
        NoSuchSweep: there is none, or more than one.
    """
    found = [one for one in records(home) if prefix and one.id.startswith(prefix)]
    if len(found) != 1:
        names = ", ".join(one.id[: len(prefix) + 4] for one in found[:5])
        raise NoSuchSweep(
            f"{len(found)} sweeps have an id that begins with {prefix!r} ({names}); give more of it"
            if found
            else f"no sweep has an id that begins with {prefix!r}: `blut sweep list` shows them",
            found,
        )
    return found[0]
