"""What processes of one sweep order becomes one array: submitted once, whoever dies, and heard of by all."""

import contextlib
import multiprocessing
import os
import queue
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment.limits import Limits
from blut_resources.launchers import gathering, waiting
from blut_resources.launchers.base import LaunchRefused, NeverStarted, Order, OrderedJob
from blut_resources.launchers.files import LAUNCH
from blut_resources.launchers.gathering import ArrayTask, AtWork, Gathering, NoArray
from blut_resources.launchers.scheduler import Busy
from blut_resources.leases.lease import Needs
from blut_resources.machine import wire

CONTEXT = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def _is_in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "POLL_S", 0.02)
    monkeypatch.setattr(waiting, "BUSY_S", 0.02)


class Cluster:
    """Takes arrays, writes down which, and says what a test tells it to."""

    def __init__(self, log: Path, says: str = "") -> None:
        self._log, self._says = log, says

    def submit(self, comment: str, tasks: Mapping[int, ArrayTask]) -> str:
        first = not self._log.exists()
        if self._says == "busy" and first:
            self._note("busy")
            raise Busy("try again")
        if self._says in ("refused", "no array"):
            self._note(self._says)
            raise LaunchRefused("no such account") if self._says == "refused" else NoArray("too many")
        self._note(f"{comment} {' '.join(f'{n}:{task.key}' for n, task in sorted(tasks.items()))}")
        if self._says == "kill" and first:
            os.kill(os.getpid(), signal.SIGKILL)
        return "7"

    def find(self, comment: str) -> str | None:
        base, _, number = comment.partition("#")
        return f"7_{number}" if base in self._log.read_text() else None

    def _note(self, what: str) -> None:
        with self._log.open("a") as log:
            log.write(f"{what}\n")

    def arrays(self) -> list[list[str]]:
        """The keys of each array."""
        return [line.split()[1:] for line in self._log.read_text().splitlines() if line.startswith("blut:")]


def order(root: Path, run: str) -> Order:
    place = root / "work" / run / "unit"
    place.mkdir(parents=True)
    job = OrderedJob("m", "f", run, place, {}, Needs())
    return Order(["python"], {}, place, Limits(), place, "book/asset", 1.0, job=job)


def trial(
    root: Path, run: str, alike: str, at_work: AtWork, cluster: Cluster, heard: Any, withdraws: str = ""
) -> None:
    """What one process of a sweep does."""

    def waits(what: str) -> str:
        return "it is not wanted" if run == withdraws else ""

    launch: dict[str, Any] = {"key": f"key-{run}"}
    member = Gathering(root, lambda: at_work).join(order(root, run), launch, alike)
    assert wire.read(root / "work" / run / "unit" / LAUNCH) == launch, (
        "whoever comes later looks for it by that"
    )
    try:
        heard.put((run, member.job(cluster.submit, cluster.find, waits)))
    except LaunchRefused as error:
        heard.put((run, str(error)))
    except NeverStarted:
        heard.put((run, f"withdrawn {member.withdraw()}"))


def ordered(root: Path, cluster: Cluster, runs: Mapping[str, str], lost: int = 0) -> dict[str, str | None]:
    """What each run hears, by what its order is like; ``lost`` of them are killed."""
    heard: Any = CONTEXT.Queue()
    at_work = AtWork(len(runs), set(runs))
    processes = [
        CONTEXT.Process(target=trial, args=(root, run, alike, at_work, cluster, heard))
        for run, alike in runs.items()
    ]
    for process in processes:
        process.start()
    found: dict[str, str | None] = {}
    while len(found) < len(runs) - lost:
        multiprocessing.active_children()  # one that was killed is buried, as whoever leads a sweep does
        with contextlib.suppress(queue.Empty):
            found |= [heard.get(timeout=0.1)]
    for process in processes:
        process.join(30)
    return found


RUNS = {f"r{number}": "same" for number in range(6)}


def test_orders_that_are_alike_are_one_array(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "log")
    found = ordered(tmp_path, cluster, RUNS)
    (keys,) = cluster.arrays()
    assert found == {key.partition(":key-")[2]: f"7_{key.partition(':')[0]}" for key in keys}
    assert len(found) == len(RUNS)


def test_orders_that_differ_are_several_arrays_and_one_alone_is_none(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "log")
    found = ordered(tmp_path, cluster, {**RUNS, "r1": "other", "r2": "other", "r3": "a third"})
    assert sorted(map(len, cluster.arrays())) == [2, 3]
    assert [run for run, job in found.items() if job is None] == ["r3"]


def test_who_submits_is_killed_before_it_says_so(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "log", "kill")
    found = ordered(tmp_path, cluster, RUNS, lost=1)
    assert len(cluster.arrays()) == 1, "the next one looks for it, and submits nothing"
    assert len(found) == len(RUNS) - 1 and all(job and job.startswith("7_") for job in found.values())


@pytest.mark.parametrize(
    ("says", "job"), [("refused", "no such account"), ("no array", None), ("busy", "7_")]
)
def test_all_hear_what_the_scheduler_says(tmp_path: Path, says: str, job: str | None) -> None:
    cluster = Cluster(tmp_path / "log", says)
    found = ordered(tmp_path, cluster, RUNS)
    assert {one and one[: len(job or "")] for one in found.values()} == {job}
    assert len((tmp_path / "log").read_text().splitlines()) == 1 + (says == "busy")


def test_what_is_taken_back_is_not_submitted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "QUIET_S", 1.0)
    cluster, heard = Cluster(tmp_path / "log"), CONTEXT.Queue()
    at_work = AtWork(3, {"r0", "r1"})
    trial(tmp_path, "r0", "same", at_work, cluster, heard, withdraws="r0")
    assert heard.get(timeout=10) == ("r0", "withdrawn False")
    trial(tmp_path, "r1", "same", at_work, cluster, heard)
    assert heard.get(timeout=10) == ("r1", None) and not (tmp_path / "log").exists()


def test_nobody_is_waited_for_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathering, "QUIET_S", 0.3)
    cluster, heard = Cluster(tmp_path / "log"), CONTEXT.Queue()
    trial(tmp_path, "r0", "same", AtWork(9, {"r0"}), cluster, heard)
    assert heard.get(timeout=10) == ("r0", None)


def test_who_waits_for_what_was_ordered_is_not_waited_for(tmp_path: Path) -> None:
    cluster, heard = Cluster(tmp_path / "log"), CONTEXT.Queue()
    at_work = AtWork(2, {"r0", "r1"})
    Gathering(tmp_path, lambda: at_work).stand_aside("r1", "run r0 of a history")
    trial(tmp_path, "r0", "same", at_work, cluster, heard)
    assert heard.get(timeout=10) == ("r0", None)


def test_so_many_come_at_once_and_who_has_ordered_makes_room(tmp_path: Path) -> None:
    at_work = AtWork(1, {"r0"})
    several = [Gathering(tmp_path, lambda: at_work) for _ in range(gathering.TURNS + 1)]
    assert [one.take_turn() for one in several] == [True] * gathering.TURNS + [False]
    several[0].join(order(tmp_path, "r0"), {"key": "k"}, "same")
    assert several[-1].take_turn()


def test_who_goes_on_with_a_job_makes_room_and_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("QUIET_S", "MOST_S"):
        monkeypatch.setattr(gathering, name, 1e9)
    cluster, heard = Cluster(tmp_path / "log"), CONTEXT.Queue()
    at_work = AtWork(2, {"r0", "r1"})
    several = [Gathering(tmp_path, lambda: at_work) for _ in range(gathering.TURNS + 1)]
    assert [one.take_turn() for one in several] == [True] * gathering.TURNS + [False]
    several[0].go_on("book/asset", "r1")
    assert several[-1].take_turn()
    trial(tmp_path, "r0", "same", at_work, cluster, heard)
    assert heard.get(timeout=10) == ("r0", None)
