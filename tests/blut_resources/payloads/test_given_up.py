"""No interrupt of a computation leaves a lock behind, wherever it comes, and whoever keeps its error."""

import gc
import itertools
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from blut_resources.files.durable import acquire, file_lock, release
from blut_resources.leases.capacity import capacity
from blut_resources.leases.lease import Needs, holders, lease
from blut_resources.payloads.given_up import end_given_up, followed
from blut_resources.runs.status import Status


def interrupted(steps: Callable[[], Iterator[Any]]) -> Iterator[BaseException]:
    """Yields the error of an interrupt at each point, one after the other, at which Python lets one in."""
    for point in itertools.count(1):
        left = point

        def look(frame: FrameType, event: str, _: object) -> None:
            nonlocal left
            left -= event in ("call", "c_return")  # where an interpreter looks for signals
            if not left:
                raise KeyboardInterrupt

        try:
            sys.setprofile(look)
            for _ in followed(steps()):  # type: ignore[arg-type]
                pass
        except KeyboardInterrupt as error:
            sys.setprofile(None)
            end_given_up()
            yield error
        else:
            sys.setprofile(None)
            if left > 0:
                return


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Who waits for itself does so for ever."""

    def late(*_: object) -> None:
        pytest.fail("it waits for itself")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    gc.freeze()  # what the suite has loaded need not be looked through a thousand times
    yield
    gc.unfreeze()
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_of_the_file_of_events(tmp_path: Path) -> None:
    path = tmp_path / "status.jsonl"
    stream = Status(path)

    def steps() -> Iterator[None]:
        stream.write("epoch", "a/b", epoch=1)
        yield

    kept = []
    for error in interrupted(steps):
        kept.append(error)
        Status(path).write("run_ended")
    assert len(kept) > 20


def test_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "lock"

    def steps() -> Iterator[None]:
        with file_lock(path):
            yield

    kept = []
    for error in interrupted(steps):
        kept.append(error)
        held = acquire(path, wait=False)
        assert held is not None
        release(held)
    assert len(kept) > 20


@pytest.mark.heavy
def test_of_a_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path))
    there = capacity()
    monkeypatch.setattr("blut_resources.leases.lease.capacity", lambda: there)  # a thousand points of no lock

    def steps() -> Iterator[None]:
        with lease(Needs(1 << 20), holder={"asset": "a/b"}, on_wait=print):
            yield

    kept = []
    for error in interrupted(steps):
        kept.append(error)
        assert holders() == []
    assert len(kept) > 200
