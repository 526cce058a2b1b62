"""One query for all processes of a user: its answer, or that there was none, is everybody's for a moment."""

import multiprocessing
import time
from pathlib import Path

import pytest

from blut_resources.launchers import shared_query
from blut_resources.launchers.shared_query import shared
from blut_resources.launchers.transport import NoAnswer


def ask(log: Path, answers: "multiprocessing.Queue[str]") -> None:
    def query() -> str:
        with log.open("a") as file:
            file.write("asked\n")
        time.sleep(0.3)
        return "jobs"

    answers.put(shared("one", query).text)


def test_many_processes_ask_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FRESH_S", "PATIENCE_S"):  # they may take their time to start
        monkeypatch.setattr(shared_query, name, 60.0)
    context = multiprocessing.get_context("fork")
    answers, log = context.Queue(), tmp_path / "log"
    processes = [context.Process(target=ask, args=(log, answers)) for _ in range(20)]
    for process in processes:
        process.start()
    assert [answers.get(timeout=60) for _ in processes] == ["jobs"] * 20
    for process in processes:
        process.join()
    assert log.read_text() == "asked\n"


def test_an_answer_is_asked_for_again_when_it_is_old_and_others_have_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = shared("one", lambda: "first")
    assert shared("one", lambda: "second") == first
    assert shared("two", lambda: "other").text == "other"
    monkeypatch.setattr(shared_query, "FRESH_S", 0.0)
    assert shared("one", lambda: "second").text == "second"


def test_a_scheduler_that_is_away_is_asked_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> str:
        raise NoAnswer("squeue has said nothing for 5 s")

    for query in (away, lambda: "back"):
        with pytest.raises(NoAnswer, match="has said nothing"):
            shared("one", query)
    monkeypatch.setattr(shared_query, "FRESH_S", 0.0)
    assert shared("one", lambda: "back").text == "back"


def test_who_is_stopped_while_it_asks_keeps_nobody_waiting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped() -> str:
        (tmp_path / "asks").touch()
        time.sleep(600)
        return "never"

    other = multiprocessing.get_context("fork").Process(target=shared, args=("one", stopped), daemon=True)
    other.start()
    while not (tmp_path / "asks").exists():
        time.sleep(0.02)
    monkeypatch.setattr(shared_query, "PATIENCE_S", 0.2)
    assert shared("one", lambda: "mine").text == "mine"
    other.kill()
    other.join()
