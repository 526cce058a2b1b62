"""The event stream keeps what matters, whatever happens to its writers, its file and its disk."""

import contextlib
import json
import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytest

from blut_resources.runs import status
from blut_resources.runs.status import Status, read


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "status.jsonl"


def kinds(path: Path) -> list[str]:
    return [event["kind"] for event in read(path)]


def test_a_run_without_events_has_none(path: Path) -> None:
    assert list(read(path)) == []


def test_an_event_is_there_at_once_with_its_time(path: Path) -> None:
    events = Status(path)
    events.write("asset_started", "llm/sft_checkpoint", config={"lr": 0.1})
    (event,) = read(path)
    assert abs(event["t"] - time.time()) < 5
    assert (event["kind"], event["asset"], event["config"]) == (
        *("asset_started", "llm/sft_checkpoint"),
        {"lr": 0.1},
    )


def test_numbers_that_are_none_leave_the_line_readable_for_every_parser(path: Path) -> None:
    Status(path).write("epoch", metrics={"loss": float("nan"), "best": [float("inf")]})

    def refuse(word: str) -> None:
        raise ValueError(word)

    event = json.loads(path.read_text(), parse_constant=refuse)
    assert event["metrics"] == {"loss": "nan", "best": ["inf"]}


@pytest.mark.parametrize("torn", [b'{"t": 1, "ki', b"\xff\xfe", b"{" * 10_000])
def test_a_torn_last_line_is_skipped_by_readers_and_cut_off_by_the_next_writer(
    path: Path, torn: bytes
) -> None:
    Status(path).write("first")
    with path.open("ab") as file:
        file.write(torn)
    assert kinds(path) == ["first"]
    Status(path).write("second")
    assert kinds(path) == ["first", "second"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_a_file_of_rubbish_alone_ends_nothing(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no line at all")
    Status(path).write("first")
    assert kinds(path) == ["first"]


def test_a_full_file_is_put_aside_and_readers_go_on_where_they_were(path: Path) -> None:
    events = Status(path, max_bytes=200)
    for number in range(5):
        events.write("epoch", epoch=number)
    seen = list(read(path))
    for number in range(5, 30):
        events.write("epoch", epoch=number)
    later = list(read(path, after=seen[-1]["offset"]))
    assert [event["epoch"] for event in seen + later] == list(range(30))
    assert len(list(path.parent.iterdir())) > 5
    assert all(file.stat().st_size <= 200 for file in path.parent.iterdir())


def test_steps_come_once_in_a_while_and_the_last_before_what_follows(path: Path) -> None:
    events = Status(path)
    for number in range(1000):
        events.step("a/b", step=number, loss=1.0)
    events.write("epoch", "a/b", epoch=1)
    events.close()
    found = list(read(path))
    assert [event["kind"] for event in found] == ["step", "step", "epoch"]
    assert [event["step"] for event in found[:2]] == [0, 999]
    assert found[1]["skipped"] == 998


def _write_many(path: Path, number: int, count: int) -> None:
    events = Status(path, max_bytes=20_000)
    for index in range(count):
        events.write("epoch", f"writer/{number}", index=index)


def test_processes_that_write_at_once_lose_nothing_also_while_files_fill(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_write_many, args=(path, number, 500)) for number in range(4)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        for event in read(path):  # never fails, whatever is being written
            assert event["kind"] == "epoch"
    for number in range(4):
        found = [event["index"] for event in read(path) if event["asset"] == f"writer/{number}"]
        assert found == list(range(500))


def test_one_asset_of_many_is_read_without_the_others(path: Path) -> None:
    with contextlib.closing(Status(path)) as events:
        for name in ("a/one", "a/two", "a/one\u00e9", "a/one"):
            events.write("epoch", name, note="a/one")
    every = list(read(path))
    assert list(read(path, asset="a/one")) == [every[0], every[3]]
    assert list(read(path, every[0]["offset"], "a/one\u00e9")) == [every[2]]
    assert list(read(path, asset="a")) == []


def test_a_killed_writer_spoils_nothing_of_the_others(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    for _ in range(5):
        writer = context.Process(target=_write_many, args=(path, 0, 10**9))
        writer.start()
        time.sleep(0.05)
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    Status(path).write("after")
    for file in path.parent.iterdir():
        assert all(json.loads(line) for line in file.read_text().splitlines())
    assert kinds(path)[-1] == "after"


def test_a_full_disk_ends_nothing_and_what_was_told_comes_later(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = Status(path)
    events.write("first")
    real = os.write
    monkeypatch.setattr(status.os, "write", lambda fd, data: real(fd, data[: len(data) // 2]))
    events.write("gauge")
    events.write("epoch", epoch=1)
    events.write("gauge")
    events.write("epoch", epoch=2)
    assert not events.flush()
    monkeypatch.undo()
    events.write("last")
    found = list(read(path))
    assert [event["kind"] for event in found] == ["first", "epoch", "epoch", "last"], (
        "each once, in their order"
    )
    assert [event.get("lost_before", 0) for event in found] == [0, 1, 1, 0]
    assert events.flush()


def test_a_size_that_makes_no_sense_is_the_default(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(status.MAX_MB, "much")
    Status(path).write("first")
    assert kinds(path) == ["first"]


def test_lines_that_say_something_else_than_events_hide_none(path: Path) -> None:
    events = Status(path)
    events.write("epoch", "a/b", epoch=1, metrics={"loss": 1.0})
    events.close()
    odd = ['{"t": "x", "kind": 5}', '{"t": 1}', '{"kind": "epoch"}', "[1]", "\0\0{{", '{"t": 1, "kind": "ep']
    with path.open("a") as file:
        file.write("\n".join(odd) + "\n")
    events.write("last")
    assert kinds(path) == ["epoch", "last"]


def test_a_stream_that_is_a_directory_has_no_events(path: Path) -> None:
    path.mkdir(parents=True)
    assert kinds(path) == [] and status.size(path) == 0
