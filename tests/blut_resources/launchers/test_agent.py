"""A job on a share that is away for a moment: it goes on, and its outcome is told as soon as it can be."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blut_resources.launchers import agent
from blut_resources.launchers.agent import NodeAgent
from blut_resources.launchers.files import ATTEMPT, CANCEL, LAUNCH, outcome_file
from blut_resources.machine import wire
from tests.toy_scheduler import until

WAITS = "import pathlib, sys, time\nwhile not pathlib.Path(sys.argv[1]).exists(): time.sleep(0.02)"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a program is ordered that ends when there is a file ``gate`` beside it."""
    made = tmp_path / "share" / "work" / "unit"
    made.mkdir(parents=True, mode=0o700)
    for name in ("config.json", "context.json"):
        (made / name).write_text("{}")
    (made / "code.json").write_text(json.dumps({"path": [], "modules": {}, "files": {}}))
    order = {"key": "k", "schema": 1, "module": "waits", "root": "/", "prefixes": [], "own_out": True}
    order |= {
        "out": str(tmp_path / "out"),
        "env": {},
        "passed": [],
        "cwd": "/",
        "limits": {},
        "name": "waits",
    }
    order |= {"command": ["python", "-c", WAITS, str(tmp_path / "gate")], "grace_s": 2.0, "isolation": None}
    order |= {"environment": {}, "strict": False, "commit": "", "profile": ""}
    wire.write(made / LAUNCH, order)
    return made


@pytest.fixture
def job(place: Path) -> Iterator[subprocess.Popen[str]]:
    """The agent of it, whose payload runs."""
    words = [sys.executable, "-P", "-m", "blut_resources.launchers.agent", str(place), "k"]
    started = subprocess.Popen(
        words, text=True, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."}
    )
    until((place / "beat.json").exists)
    yield started
    started.kill()
    started.wait()


def test_a_share_that_is_away_is_no_newer_start(place: Path, job: subprocess.Popen[str]) -> None:
    share = place.parents[1]
    away = share.rename(share.with_name("away"))
    time.sleep(2 * agent.BEAT_S)
    assert job.poll() is None
    away.rename(share)
    said = (place / "beat.json").read_text()
    until(lambda: (place / "beat.json").read_text() != said)
    share.with_name("gate").touch()
    assert job.wait(60) == 0
    assert json.loads(outcome_file(place, 0).read_text())["kind"] == "ok"


def test_an_outcome_is_told_when_the_share_is_back(place: Path, job: subprocess.Popen[str]) -> None:
    share = place.parents[1]
    away = share.rename(share.with_name("away"))
    share.with_name("gate").touch()
    time.sleep(2 * agent.BEAT_S)
    assert job.poll() is None
    away.rename(share)
    assert job.wait(60) == 0
    assert json.loads(outcome_file(place, 0).read_text())["kind"] == "ok"


def test_a_newer_start_ends_an_older_one(place: Path, job: subprocess.Popen[str]) -> None:
    wire.write(place / ATTEMPT, {**json.loads((place / ATTEMPT).read_text()), "attempt": 1})
    assert job.wait(60) == agent.FENCED
    assert not outcome_file(place, 0).exists()


def test_an_older_start_that_writes_its_number_late_ends(place: Path, job: subprocess.Popen[str]) -> None:
    wire.write(place / ATTEMPT, {**json.loads((place / ATTEMPT).read_text()), "attempt": -1})
    until(lambda: json.loads((place / ATTEMPT).read_text())["attempt"] == 0)
    assert job.poll() is None


def test_a_start_whose_place_stays_away_ends(
    place: Path, job: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    job.kill()
    monkeypatch.setattr(agent, "PATIENCE_S", 0.0)
    mine = NodeAgent(place, wire.read(place / LAUNCH) or {})
    assert mine._counts()
    place.parents[1].rename(place.parents[2] / "gone")
    assert not mine._counts()


def test_an_older_start_ends_whose_place_the_newer_one_has_left_no_more(
    place: Path, job: subprocess.Popen[str]
) -> None:
    """As after a training of less than the time between two looks: its work is removed with its result."""
    place.parent.rename(place.parents[2] / "gone")
    assert job.wait(60) == agent.FENCED
    assert not place.parent.exists(), "it leaves nothing"


def test_an_outcome_for_which_there_is_no_room_is_tried_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent, "BEAT_S", 0.01)
    write, left = wire.write_last, [OSError(28, "No space left on device")] * 3

    def full(path: str, value: dict[str, Any]) -> None:
        if left:
            raise left.pop()
        write(path, value)

    monkeypatch.setattr(wire, "write_last", full)
    mine = NodeAgent(place, wire.read(place / LAUNCH) or {})
    assert mine._tell({"kind": "ok"}) == 0
    assert json.loads(outcome_file(place, 0).read_text())["kind"] == "ok"
    assert capsys.readouterr().err.count("No space left on device; for 600 s it is tried again") == 1


def test_an_order_that_is_seen_late_is_begun(place: Path) -> None:
    order = (place / LAUNCH).rename(place / "late")
    wire.write(place / CANCEL, {"grace_s": 1.0})  # so that it has nothing to do
    words = [sys.executable, "-P", "-m", "blut_resources.launchers.agent", str(place), "k"]
    job = subprocess.Popen(words, text=True, stderr=subprocess.PIPE, env={**os.environ, "PYTHONPATH": "."})
    time.sleep(1.0)
    order.rename(place / LAUNCH)
    assert job.communicate(timeout=60)[1] == ""
    assert job.returncode == agent.FENCED


def test_a_job_whose_order_is_gone_does_not_hold_its_node(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent, "GONE_S", 0.0)
    monkeypatch.setattr(sys, "argv", ["agent", str(place / "gone" / "unit"), "k"])
    begun = set(place.rglob("*"))
    assert agent.main() == agent.NOT_STARTED
    assert "there is no order any more" in capsys.readouterr().err
    assert set(place.rglob("*")) == begun, "it leaves nothing"


def test_a_node_that_does_not_see_the_share_says_so_in_a_sentence_and_by_its_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(agent, "ORDER_S", 0.0)
    monkeypatch.setattr(sys, "argv", ["agent", str(tmp_path / "no" / "share" / "unit"), "k"])
    assert agent.main() == agent.NO_SHARE
    assert f"does not see {tmp_path / 'no/share/unit'}, or cannot write there" in capsys.readouterr().err


def test_a_share_that_goes_away_at_the_start_is_told_in_a_sentence(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["agent", str(place), "k"])
    (place / "code.json").unlink()
    assert agent.main() == agent.NO_SHARE
    assert "code.json" in capsys.readouterr().err
