"""A job that nobody waits for any more: it has its grace period if it runs, and is never nobody's id."""

from collections.abc import Collection
from pathlib import Path

import pytest

from blut_resources.launchers import late_ending, left
from blut_resources.launchers.late_ending import end_job
from blut_resources.launchers.left import LeftJob, end_left
from blut_resources.launchers.profiles import Profile
from blut_resources.launchers.sight import Sight
from blut_resources.launchers.slurm import Slurm
from blut_resources.launchers.transport import NoAnswer
from tests.toy_scheduler import ToyScheduler


class _Remembering(ToyScheduler):
    def __init__(self, log: Path, job: str | None, *says: str) -> None:
        super().__init__(log)
        self.job, self.says, self.ended = job, [*says], list[tuple[str, bool]]()

    def find(self, comment: str) -> str | None:
        return self.job

    def look(self, jobs: Collection[str]) -> dict[str, Sight]:
        state = self.says.pop(0) if self.says else "ended"
        if state == "silent":
            raise NoAnswer("nobody answers")
        return dict.fromkeys(jobs, Sight(state))  # pyright: ignore[reportArgumentType]

    def end(self, job: str, *, at_once: bool) -> None:
        self.ended.append((job, at_once))


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_ending, "FIRST_S", 0.0)
    monkeypatch.setattr(late_ending, "MOST_S", 0.0)


def test_what_runs_has_its_grace_period_and_what_waits_needs_none(tmp_path: Path) -> None:
    toy = _Remembering(tmp_path / "log", "7", "silent", "waiting", "running", "running", "unknown")
    end_job(toy, "c", 600.0)
    assert toy.ended == [("7", True), ("7", False), ("7", False)]


def test_what_is_overdue_is_ended_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(late_ending, "MARGIN_S", 0.0)
    toy = _Remembering(tmp_path / "log", "7", "running", "running")
    end_job(toy, "c", 0.0)
    assert toy.ended == [("7", False), ("7", True)]


@pytest.mark.parametrize("known", ["", "7"])
def test_a_left_job_without_a_number_is_looked_for_before_it_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: str
) -> None:
    toy = _Remembering(tmp_path / "log", "7")
    monkeypatch.setattr(left, "scheduler_of", lambda _: toy)
    one = LeftJob(tmp_path, {"grace_s": 1.0, "comment": "c", "scheduler": "toy"}, known, ended=False)
    end_left(one, None)
    assert toy.ended == [("7", False)]
    toy.ended, toy.job = [], None
    end_left(one, Sight("waiting"))
    assert toy.ended == ([("7", True)] if known else []), "one that is nowhere is not ended by its empty id"
    assert (tmp_path / "cancel.json").exists()


@pytest.mark.parametrize("job", ["", " ", "-u root", "--state=RUNNING"])
def test_slurm_is_told_of_no_job_without_an_id(job: str) -> None:
    with pytest.raises(ValueError, match="is no id of a job"):
        Slurm(Profile.model_validate({"kind": "slurm"})).end(job, at_once=True)
