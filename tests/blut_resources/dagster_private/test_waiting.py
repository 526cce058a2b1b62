"""Events that wait for each other come in their order, soon, once, and never after who asks for them."""

import os
import threading
from collections.abc import Callable

import pytest

from blut_resources.dagster_private.waiting import HeldEvents


class BatchDisk:
    """What was written, in batches, by a disk that may be full."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.full, self.heard = False, threading.Event()

    def write(self, waiting: list[str]) -> None:
        if self.full:
            raise OSError("full")
        self.batches.append([*waiting])
        waiting.clear()
        self.heard.set()


@pytest.fixture
def disk() -> BatchDisk:
    return BatchDisk()


def test_each_is_written_at_once_where_nobody_has_said_otherwise(disk: BatchDisk) -> None:
    waiting = HeldEvents(disk.write)
    for name in "abc":
        waiting.add(name, can_wait=True)
    with waiting.together():
        pass
    waiting.add("d", can_wait=True)
    assert disk.batches == [["a"], ["b"], ["c"], ["d"]]


@pytest.mark.parametrize("ask", [lambda one: one.add("c", can_wait=False), lambda one: one.write()])
def test_those_that_wait_are_written_with_the_next_that_cannot_or_when_they_are_asked_for(
    disk: BatchDisk, ask: Callable[[HeldEvents[str]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("blut_resources.dagster_private.waiting.WAIT_S", 3600.0)
    waiting = HeldEvents(disk.write)
    with waiting.together():
        waiting.add("a", can_wait=True)
        waiting.add("b", can_wait=True)
        assert disk.batches == []
        ask(waiting)
        assert disk.batches in ([["a", "b", "c"]], [["a", "b"]])
        waiting.add("z", can_wait=True)
    assert disk.batches[1:] == [["z"]]


def test_they_are_written_though_nothing_more_happens(disk: BatchDisk) -> None:
    waiting = HeldEvents(disk.write)
    with waiting.together():
        for name in "ab":
            disk.heard.clear()
            waiting.add(name, can_wait=True)
            assert disk.heard.wait(60)
    assert disk.batches == [["a"], ["b"]]


def test_what_could_not_be_written_is_heard_of_and_waits_but_for_the_one_that_was_to_be_written(
    disk: BatchDisk,
) -> None:
    waiting = HeldEvents(disk.write)
    with waiting.together():
        disk.full = True
        waiting.add("a", can_wait=True)
        with pytest.raises(OSError, match="full"):
            waiting.add("b", can_wait=False)
        disk.full = False
        waiting.add("c", can_wait=False)
    assert disk.batches == [["a", "c"]]


def test_a_forked_process_writes_none_of_its_parent(disk: BatchDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("blut_resources.dagster_private.waiting.WAIT_S", 3600.0)
    waiting = HeldEvents(disk.write)
    with waiting.together():
        waiting.add("a", can_wait=True)
        if (child := os.fork()) == 0:
            waiting.write()
            waiting.add("b", can_wait=True)
            os._exit(0 if disk.batches == [["b"]] else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert disk.batches == [["a"]]
