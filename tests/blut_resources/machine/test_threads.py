"""What is done at once is done, and ends, wherever an interrupt comes."""

import itertools
import threading
import time

import pytest

from blut_resources.machine.threads import at_once
from tests.blut_resources.machine.test_flag import in_time, interrupt

__all__ = ["in_time"]


def test_each_item_comes_with_what_was_made_of_it_as_soon_as_it_is_there() -> None:
    slow = threading.Event()

    def work(number: int) -> int:
        if not number:
            assert slow.wait(30)
        return number * number

    made = at_once(work, range(20), 3)
    first = list(itertools.islice(made, 19))
    slow.set()
    assert dict(first) == {number: number**2 for number in range(1, 20)} and list(made) == [(0, 0)]
    assert list(at_once(work, (), 3)) == []


def test_the_first_failure_is_raised_when_what_is_at_work_has_ended() -> None:
    begun, ended, told = set[int](), set[int](), []

    def work(number: int) -> None:
        begun.add(number)
        if number == 1:
            raise ValueError("of one")
        while not told:
            time.sleep(0.001)
        ended.add(number)

    with pytest.raises(ValueError, match="of one"):
        list(at_once(work, range(50), 2, lambda: told.append("stop")))
    assert told == ["stop"] and begun - {1} == ended and len(begun) < 50


def test_whoever_is_interrupted_waits_only_for_what_is_at_work() -> None:
    interrupted = 0
    for point in itertools.count(1):
        working = set[int]()

        def work(number: int, working: set[int] = working) -> int:
            working.add(number)
            time.sleep(0.0005)
            working.discard(number)
            return number

        def act(work: object = work) -> None:
            assert len(list(at_once(work, range(6), 2))) == 6  # pyright: ignore[reportArgumentType]

        if not interrupt(act, point):
            break
        interrupted = point
        until = time.monotonic() + 30
        while working and time.monotonic() < until:  # an interrupt of the wait itself ends that too
            time.sleep(0.001)
        assert not working
    assert interrupted > 20
