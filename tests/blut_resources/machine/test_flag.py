"""What one thread says to another arrives, wherever an interrupt comes."""

import itertools
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import pytest

from blut_resources.machine.flag import Flag


def interrupt(act: Callable[[], object], point: int) -> bool:
    """Do something with an interrupt at one of the points where Python lets one in; says if there was one."""
    left = point

    def look(frame: FrameType, event: str, _: object) -> None:
        nonlocal left
        left -= event in ("call", "c_return")
        if not left:
            raise KeyboardInterrupt

    try:
        sys.setprofile(look)
        act()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return False


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    def late(*_: object) -> None:
        pytest.fail("it waits for itself")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("what", ["set", "wait", "clear"])
def test_what_was_interrupted_can_be_done_again_and_whoever_waits_hears_of_it(what: str) -> None:
    acts: dict[str, Callable[[Flag], object]] = {
        "set": Flag.set,
        "wait": lambda flag: flag.wait(0.001),
        "clear": Flag.clear,
    }
    for point in itertools.count(1):
        flag = Flag()
        heard = threading.Thread(target=flag.wait, daemon=True)
        if not interrupt(lambda flag=flag: acts[what](flag), point):
            break
        heard.start()
        flag.set()
        heard.join()
        assert flag.is_set() and flag.wait()
    assert point > 2


def test_a_handler_of_signals_sets_what_its_thread_waits_for() -> None:
    flag = Flag()
    before = signal.signal(signal.SIGUSR1, lambda *_: flag.set())
    threading.Timer(0.2, signal.pthread_kill, [threading.get_ident(), signal.SIGUSR1]).start()
    assert flag.wait(30)
    signal.signal(signal.SIGUSR1, before)


def test_all_who_wait_hear_of_it_and_after_it_was_forgotten_nobody_does() -> None:
    flag, heard = Flag(), list[bool]()
    waiting = [threading.Thread(target=lambda: heard.append(flag.wait(30))) for _ in range(3)]
    for one in waiting:
        one.start()
    flag.set()
    for one in waiting:
        one.join()
    assert heard == [True] * 3
    flag.clear()
    assert not flag.is_set() and not flag.wait(0.01)
