"""Epochs as they are shown: out of the stream of events, however often it was resumed."""

from pathlib import Path

import pytest

from blut_resources.runs import epochs as read
from blut_resources.runs.status import Status


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    path = tmp_path / "status.jsonl"
    written = Status(path)
    for epoch, loss in ((1, 0.5), (2, 0.4), (2, 0.41), (3, 0.3)):
        written.write("epoch", "a/trained", epoch=epoch, step=None, phase="train", metrics={"loss": loss})
    written.close()
    return path


def test_an_epoch_that_was_trained_again_counts_once_and_as_it_was_last(stream: Path) -> None:
    rows = read.epochs(stream)["a/trained"]
    assert [(row["epoch"], row["loss"]) for row in rows] == [(1, 0.5), (2, 0.41), (3, 0.3)]
    assert read.newest_epoch(stream) == ("a/trained", {"epoch": 3, "loss": 0.3})


def test_the_newest_epoch_is_found_behind_any_number_of_steps(stream: Path, monkeypatch) -> None:
    monkeypatch.setattr(read, "NEWEST_BYTES", 1000)
    written = Status(stream)
    for step in range(100):
        written.write("step", "a/trained", step=step, values={"loss": 0.2})
    written.close()
    assert read.newest_epoch(stream) == ("a/trained", {"epoch": 3, "loss": 0.3})


def test_the_asset_at_work_is_shown_and_not_the_one_that_is_done(stream: Path, monkeypatch) -> None:
    monkeypatch.setattr(read, "NEWEST_BYTES", 1000)
    written = Status(stream)
    assert read.at_work(stream) == ("a/trained", {"epoch": 3, "loss": 0.3})
    written.write("asset_started", "a/verdict")
    written.write("asset_finished", "a/trained")
    assert read.at_work(stream) == ("a/verdict", {})
    for step in range(100):
        written.write("step", "a/verdict", step=step, values={})
    assert read.at_work(stream) == ("a/verdict", {})
    written.write("asset_failed", "a/verdict")
    assert read.at_work(stream) == ("", {})
    written.close()


def test_a_run_without_a_stream_has_no_epochs(tmp_path: Path) -> None:
    assert read.epochs(tmp_path / "status.jsonl") == {}
    assert read.newest_epoch(tmp_path / "status.jsonl") == ("", {})


def test_an_epoch_without_its_number_or_its_metrics_hides_no_other(tmp_path: Path) -> None:
    events = Status(tmp_path / "status.jsonl")
    events.write("epoch", "a/b", epoch=1, step=None, phase="train", metrics={"loss": 1.0})
    for odd in ({"epoch": "2", "metrics": {}}, {"epoch": 2}, {"epoch": 2, "metrics": []}):
        events.write("epoch", "a/b", **odd)
    assert [row["epoch"] for row in read.epochs(tmp_path / "status.jsonl")["a/b"]] == [1]
    assert read.newest_epoch(tmp_path / "status.jsonl") == ("a/b", {"epoch": 1, "loss": 1.0})
