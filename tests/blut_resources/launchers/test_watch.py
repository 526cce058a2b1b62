"""What goes wrong with one job does not keep those beside it from being heard and ended."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pytest

from blut_resources.launchers import watch
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.transport import NoAnswer
from blut_resources.launchers.watch import Watcher
from tests.toy_scheduler import ToyScheduler, until


class _Job:
    def __init__(self, job: str, reads: Any = None, presses: Any = None) -> None:
        self.job, self.reads, self.presses = job, reads, presses
        self.missed, self.n_read, self.n_seen, self.n_pressed = list[str](), 0, 0, 0

    def read(self) -> None:
        self.n_read += 1
        if self.reads:
            raise self.reads

    def see(self, sight: Sight) -> None:
        self.n_seen += 1

    def miss(self, why: str) -> None:
        self.missed.append(why)

    def press(self) -> None:
        self.n_pressed += 1
        if self.presses:
            raise self.presses


class _Scheduler(ToyScheduler):
    def __init__(self, log: Path, fails: list[Exception]) -> None:
        super().__init__(log)
        self.fails = fails

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        if self.fails and len(jobs) > 1:  # all are there by now
            raise self.fails.pop()
        return {job: Sight("running") for job in jobs if job != "unheard of"}


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Looks after jobs until each was read and asked of some more times; at first the scheduler fails."""
    for name in ("FILES_S", "LOOK_S", "FIRST_S"):
        monkeypatch.setattr(watch, name, 0.01)

    def go(jobs: list[_Job], *fails: Exception) -> None:
        watcher = Watcher(_Scheduler(tmp_path / "log", [*fails]))
        for job in jobs:
            watcher.add(job)
        fine = jobs[-1]
        until(lambda: min(fine.n_read, fine.n_seen, fine.n_pressed) > 3 and all(j.n_read > 3 for j in jobs))
        for job in jobs:
            watcher.remove(job)

    return go


@pytest.mark.parametrize("error", [NoAnswer("scancel hangs"), RuntimeError("no idea"), OSError("full")])
def test_what_one_cannot_pass_on_is_told_to_it_alone(watched: Callable[..., None], error: Exception) -> None:
    bad, fine = _Job("1", presses=error), _Job("2")
    watched([bad, fine])
    assert bad.missed and str(error) in bad.missed[0] and fine.missed == []


def test_one_that_the_scheduler_leaves_out_is_told_alone(watched: Callable[..., None]) -> None:
    bad, fine = _Job("unheard of"), _Job("2")
    watched([bad, fine])
    assert "not understood" in bad.missed[0] and fine.missed == []


@pytest.mark.parametrize("error", [KeyError("attempt"), RuntimeError("no idea")])
def test_files_of_one_that_make_no_sense_end_nothing(watched: Callable[..., None], error: Exception) -> None:
    bad, fine = _Job("1", reads=error), _Job("2")
    watched([bad, fine])
    assert any("its files are not understood" in why for why in bad.missed) and fine.missed == []


def test_a_share_that_is_away_is_no_word_of_a_job(watched: Callable[..., None]) -> None:
    bad, fine = _Job("1", reads=OSError("away")), _Job("2")
    watched([bad, fine])
    assert bad.missed == []


def test_an_answer_that_makes_no_sense_is_told_to_all_and_asked_for_again(
    watched: Callable[..., None],
) -> None:
    jobs = [_Job("1"), _Job("2")]
    watched(jobs, AttributeError("what"), NoAnswer("nobody answers"))
    assert all({"nobody answers"} < {*job.missed} for job in jobs)
