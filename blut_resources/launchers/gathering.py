"""Collects what the trials of a sweep order, so that one array of jobs stands for all orders that are alike.

Each trial is ordered by a process of its own. Whoever comes first opens a round, those that order the like
join it, and one of them submits it as soon as no other is on its way. It is closed before that, so that
whoever goes on after the death of that one looks for the array before submitting another.
"""

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

from blut_resources.files.durable import file_lock
from blut_resources.launchers.base import LaunchRefused, Order
from blut_resources.launchers.files import LAUNCH, write_durable
from blut_resources.launchers.gate import first_free, most_jobs
from blut_resources.launchers.scheduler import Scheduler
from blut_resources.launchers.waiting import until_answered, wait_for
from blut_resources.machine import liveness, wire

ROUNDS, LOCK, TURN = "orders.json", ".orders.lock", ".turn"
TURNS = 2 * len(os.sched_getaffinity(0))
"""Trials at once that are on their way to their order: more would only wait for CPUs and for the history."""
QUIET_S, MOST_S = 60.0, 300.0
"""Seconds after the last order, and after the first one, from which on others are not waited for."""
POLL_S = 1.0
LARGEST = 1000
"""Jobs of one array, at most: a cluster takes so many unless it says otherwise."""


class NoArray(Exception):
    """Says that a scheduler does not take orders as one array, and may take each of them alone."""


class ArrayTask(NamedTuple):
    """Names what one job of an array is to do: the place of its order, and the key of that."""

    place: Path
    key: str


@runtime_checkable
class ArrayScheduler(Scheduler, Protocol):
    """Starts several jobs by one request; it finds each by the comment of the array, ``#`` and its number."""

    def alike(self, order: Order, start: str, secrets: Sequence[str]) -> str:
        """Returns a text that is equal for orders that can be jobs of one array; no secrets.

        Args:
            start: what a job runs, without its place.
            secrets: as for `submit`.
        """
        ...

    def submit_array(
        self, order: Order, start: str, comment: str, secrets: Sequence[str], tasks: Mapping[int, ArrayTask]
    ) -> str:
        """Returns the id of a new array, whose jobs have that, ``_`` and their number.

        Args:
            order: one of those that are alike.

        Raises:
            Busy: it may be accepted later.
            LaunchRefused: none of the jobs is taken.
            NoArray: they may be taken one by one.
        """
        ...


class AtWork(NamedTuple):
    """Says how many trials will be at work at once, and the runs of those that are."""

    most: int
    runs: set[str]


class Gathering:
    """Stands for all that is ordered by one sweep, in one process of it.

    Args:
        place: the directory of the sweep.
        at_work: says which trials may order something.
    """

    def __init__(self, place: Path, at_work: Callable[[], AtWork]) -> None:
        self._place, self._at_work = place, at_work
        self._turn: int | None = None

    def take_turn(self) -> bool:
        """Be one of `TURNS` trials until this one has ordered, or `end_turn`; says whether it is."""
        if self._turn is None:
            self._turn = first_free([self._place / f"{TURN}.{number}" for number in range(TURNS)])
        return self._turn is not None

    def end_turn(self) -> None:
        """Let another trial come. Idempotent."""
        if self._turn is not None:
            os.close(self._turn)
        self._turn = None

    @contextlib.contextmanager
    def opened(self) -> Iterator[dict[str, Any]]:
        """Let nobody else read or write the rounds in the block; what they are at its end is written.

        Raises:
            StoreError, OSError: they cannot be written.
        """
        with file_lock(self._place / LOCK, poll_s=0.01):
            known = wire.read(self._place / ROUNDS) or {"rounds": {}, "came": {}, "aside": {}}
            yield known
            wire.write(self._place / ROUNDS, known)

    def join(self, order: Order, launch: dict[str, Any], alike: str) -> "GatheredOrder":
        """Take an order into a round, and write it down with the comment by which its job will be known.

        Raises:
            StoreError, OSError: it cannot be written.
        """
        assert order.job
        now, runs, home = time.monotonic(), self._at_work().runs, order.place.parent.parent.parent
        with self.opened() as known:
            rounds = {key: one for key, one in known["rounds"].items() if _members(one)}
            alikes = [key for key, one in rounds.items() if one["alike"] == alike and not one["closed"]]
            key = next((one for one in alikes if rounds[one]["next"] < LARGEST), os.urandom(6).hex())
            new = {"alike": alike, "stage": order.name, "comment": f"blut:{home}:array:{key}", "begun": now}
            one = rounds.setdefault(key, {**new, "next": 0, "members": {}, "leader": "", "closed": False})
            number = one["next"]
            launch["comment"] = f"{one['comment']}#{number}"
            write_durable(order.place / LAUNCH, launch)
            member = {"place": str(order.place), "key": launch["key"], "holder": _me()}
            one |= {"next": number + 1, "arrived": now, "members": {**one["members"], str(number): member}}
            known["rounds"] = rounds
            _note_coming(known, order.name, order.job.run, runs)
        self.end_turn()
        return GatheredOrder(self, key, str(number))

    def go_on(self, stage: str, run: str) -> None:
        """Say that a trial orders nothing of a stage, since it goes on with a job that is there."""
        self.end_turn()
        runs = self._at_work().runs
        with self.opened() as known:
            _note_coming(known, stage, run, runs)

    def stand_aside(self, run: str, whose: str) -> None:
        """Say that a trial waits for what another one computes; ``whose`` begins with the run of that one."""
        self.end_turn()
        with self.opened() as known:
            known["aside"][run] = whose

    def come_back(self, run: str) -> None:
        """Say that it waits no more."""
        with self.opened() as known:
            known["aside"].pop(run, None)

    def others_come(self, known: Mapping[str, Any], one: Mapping[str, Any]) -> bool:
        """Says whether a round is to be left open: a trial is on its way that has not ordered this yet."""
        most, runs = self._at_work()
        ordered = tuple(f"run {run[:8]}" for stage in known["came"].values() for run in stage)
        aside = {run for run, whose in known["aside"].items() if whose.startswith(ordered)}
        came = runs.intersection([*known["came"].get(one["stage"], []), *aside])
        if len(came) >= min(most, most_jobs()) or one["next"] >= LARGEST:
            return False
        return time.monotonic() < min(one["arrived"] + QUIET_S, one["begun"] + MOST_S)


class GatheredOrder:
    """Stands for one order in its round.

    Attributes:
        unsure: whether there may be a job of it although nobody says so.
    """

    def __init__(self, gathering: Gathering, key: str, number: str) -> None:
        self._gathering, self._key, self._number = gathering, key, number
        self.unsure = False

    def job(
        self,
        submit: Callable[[str, Mapping[int, ArrayTask]], str],
        find: Callable[[str], str | None],
        waits: Callable[[str], str],
    ) -> str | None:
        """Returns the id of its job, once that is there; None where it is to be submitted alone.

        Args:
            submit: an array by its comment; returns its id.
            find: a job by its comment; returns its id.
            waits: see `Launcher.start`.

        Raises:
            LaunchRefused: its scheduler does not take it.
            NeverStarted: nobody wants the result any more.
        """

        def said() -> dict[str, Any]:
            while True:
                known, array = self._look()
                if known is not None:
                    return known
                if array:
                    self._tell(_submitted(array, self._number, submit, find))
                else:
                    wait_for("it is to be one array with what other trials order", POLL_S, waits)

        known = until_answered(said, "its scheduler takes no job now", waits)
        if "refused" in known:
            raise LaunchRefused(known["refused"])
        return f"{known['job']}_{self._number}" if "job" in known else None

    def withdraw(self) -> bool:
        """Take it back; says whether there may be a job of it all the same."""
        with self._gathering.opened() as known:
            one = known["rounds"].get(self._key)
            self._leave(known)
            return one is None or one["closed"]

    def _look(self) -> "tuple[dict[str, Any] | None, _Array | None]":
        """Returns what has become of its round, and the array that is to be submitted by this process."""
        with self._gathering.opened() as known:
            one = known["rounds"].get(self._key)
            said = one.get("said") if one else {}
            if one is None or said:
                self._leave(known)
                self.unsure = one is None
                return said or {}, None
            if one["leader"] != _me() and _lives(one["leader"]):
                return None, None
            one["leader"] = _me()
            if not one["closed"] and self._gathering.others_come(known, one):
                return None, None
            tasks = {int(n): ArrayTask(Path(each["place"]), each["key"]) for n, each in _members(one).items()}
            if len(tasks) == 1 and not one["closed"]:
                self._leave(known)
                return {}, None
            array = _Array(one["comment"], tasks, unsure=one["closed"])
            one["closed"] = True
        return None, array

    def _tell(self, said: dict[str, Any]) -> None:
        with self._gathering.opened() as known:
            known["rounds"][self._key]["said"] = said

    def _leave(self, known: dict[str, Any]) -> None:
        one = known["rounds"].get(self._key, {"members": {}})
        one["members"].pop(self._number, None)
        if one.get("leader") == _me():
            one["leader"] = ""
        if not one["members"]:
            known["rounds"].pop(self._key, None)


class _Array(NamedTuple):
    """Describes what is to be submitted; ``unsure``, whether somebody may have done so already."""

    comment: str
    tasks: Mapping[int, ArrayTask]
    unsure: bool


def _submitted(
    array: _Array,
    number: str,
    submit: Callable[[str, Mapping[int, ArrayTask]], str],
    find: Callable[[str], str | None],
) -> dict[str, Any]:
    """Returns what has become of an array, for all of its orders. Raises Busy, NoAnswer."""
    try:
        found = find(f"{array.comment}#{number}") if array.unsure else None
        return {"job": (found or submit(array.comment, array.tasks)).partition("_")[0]}
    except NoArray:
        return {"alone": True}
    except LaunchRefused as error:
        return {"refused": str(error)}


def _note_coming(known: dict[str, Any], stage: str, run: str, runs: Collection[str]) -> None:
    """Note that a trial is not on its way to a stage any more, and forget those that have ended."""
    known["came"][stage] = [*(one for one in known["came"].get(stage, []) if one in runs), run]


def _me() -> str:
    return liveness.this_process().line()


def _lives(line: str) -> bool:
    holder = liveness.Holder.of(line)
    return holder is not None and liveness.alive(holder) != "no"


def _members(one: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the orders of a round behind which there is still a process."""
    return {number: each for number, each in one["members"].items() if _lives(each["holder"])}


_of_this_process: Gathering | None = None


def gather(place: Path, at_work: Callable[[], AtWork]) -> Gathering:
    """Collect what this process orders with what other processes of its sweep do; see `Gathering`."""
    global _of_this_process
    _of_this_process = Gathering(place, at_work)
    return _of_this_process


def gathering() -> Gathering | None:
    """Returns with what the orders of this process are gathered; None if with nothing."""
    return _of_this_process
