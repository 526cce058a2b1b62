"""How a job has ended: its own file decides, then the word of its scheduler, and silence only after long."""

from typing import Any

import pytest

from blut_resources.launchers import sight as module
from blut_resources.launchers.files import NO_SHARE
from blut_resources.launchers.sight import Ends, Sight

MIB = 1 << 20
RUNNING = Sight("running", "RUNNING", node="n1")


def file(kind: str, asked: str = "", **more: Any) -> dict[str, Any]:
    return {"attempt": 0, "node": "n1", "ended": 1.0, "kind": kind, "asked": asked, **more}


def ended(word: str, **more: Any) -> Sight:
    return Sight("ended", word, node="n1", at=2e12, **more)


@pytest.fixture
def no_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SETTLE_S", "LATE_S", "LOST_S"):
        monkeypatch.setattr(module, name, 0.0)


@pytest.mark.parametrize("word", ["RUNNING", "PENDING", "FAILED", "OUT_OF_MEMORY", "NODE_FAIL", "CANCELLED"])
@pytest.mark.parametrize("kind", ["ok", "exit", "oom-kill", "timeout"])
def test_what_the_job_has_written_is_believed_whatever_the_scheduler_says(word: str, kind: str) -> None:
    ends = Ends(264 * MIB)
    ends.seen(ended(word))
    found = ends.outcome(file(kind, peak=3), ended(word), 0)
    assert found and (found.kind, found.peak) == (kind, 3)


@pytest.mark.parametrize("kind", ["cancelled", "signal", "exit"])
@pytest.mark.parametrize(
    ("now", "becomes"),
    [
        (ended("CANCELLED"), "cancelled"),
        (ended("TIMEOUT"), "timeout"),
        (ended("NODE_FAIL"), "lost"),
        (Sight("waiting", "PENDING", "BeginTime", restarts=1, at=2e12), None),
        (Sight("running", "COMPLETING", node="n1", at=2e12), None),
        (Sight("unknown"), None),
    ],
)
def test_who_was_told_to_end_by_others_asks_the_scheduler_why(
    kind: str, now: Sight, becomes: str | None
) -> None:
    found = Ends(None).outcome(file(kind, "term"), now, 0)
    assert (found and found.kind) == becomes


def test_what_this_run_has_ended_is_cancelled_at_once() -> None:
    found = Ends(None, cancelled=True).outcome(file("cancelled", "term"), RUNNING, 0)
    assert found and found.kind == "cancelled"


def test_the_memory_of_the_job_is_told_with_its_size(no_patience: None) -> None:
    ends = Ends(264 * MIB)
    ends.seen(ended("OUT_OF_MEMORY"))
    found = ends.outcome(None, ended("OUT_OF_MEMORY"), 0)
    assert found and (found.kind, found.whose, found.limit) == ("oom-kill", "ancestor", 264 * MIB)
    assert "the memory of its job, 264 MiB, was all used" in found.describe() and not found.retry


@pytest.mark.parametrize("word", ["COMPLETED", "FAILED", "OUT_OF_MEMORY", "TIMEOUT"])
def test_a_share_may_show_the_file_late(word: str) -> None:
    ends = Ends(None)
    ends.seen(ended(word))
    assert ends.outcome(None, ended(word), 0) is None
    found = ends.outcome(file("ok"), ended(word), 0)
    assert found and found.ok


def test_without_a_file_an_end_that_explains_nothing_is_a_loss(no_patience: None) -> None:
    ends = Ends(None)
    ends.seen(ended("FAILED", reason="NonZeroExitCode"))
    found = ends.outcome(None, ended("FAILED", reason="NonZeroExitCode"), 0)
    assert found and found.kind == "lost" and found.retry
    assert "the scheduler says FAILED, NonZeroExitCode on n1" in found.describe()


def test_what_was_cancelled_before_it_had_a_node_has_no_file_to_wait_for() -> None:
    ends, now = Ends(None), Sight("ended", "CANCELLED")
    ends.seen(now)
    found = ends.outcome(None, now, 0)
    assert found and found.kind == "cancelled"


def test_one_empty_answer_is_not_an_end_and_neither_are_many_while_it_lives(
    no_patience: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone, ends = Sight("unknown"), Ends(None)
    for _ in range(2):
        ends.seen(gone)
        assert ends.outcome(None, gone, 10) is None
    ends.seen(RUNNING)
    for _ in range(3):
        ends.seen(gone)
    monkeypatch.setattr(module, "LOST_S", 600.0)
    assert ends.outcome(None, gone, 1e9) is None, "not for long enough"
    monkeypatch.setattr(module, "LOST_S", 0.0)
    assert ends.outcome(None, gone, 0) is None, "there are signs of life"
    found = ends.outcome(None, gone, 10)
    assert found and found.kind == "lost"


def test_a_job_that_could_write_nothing_is_lost_at_once_and_its_node_is_named() -> None:
    ends, now = Ends(None), ended("FAILED", reason="NonZeroExitCode", status=NO_SHARE)
    ends.seen(now)
    found = ends.outcome(None, now, 0)
    assert found and found.kind == "lost" and "n1 does not see its place on the share" in found.describe()


def test_what_waits_on_though_its_scheduler_was_told_to_end_it_is_not_waited_for() -> None:
    ends, soon = Ends(None, cancelled=True, told_at=100.0), Sight("waiting", "PENDING", at=101.0)
    assert ends.outcome(None, soon, 0) is None
    found = ends.outcome(None, soon._replace(at=100.5 + module.SETTLE_S), 0)
    assert found and found.kind == "cancelled"
