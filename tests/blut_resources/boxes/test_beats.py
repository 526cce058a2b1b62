"""A beat is that of the process that began it, and not of one that was forked of it."""

import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from blut_resources.boxes import beats, seen
from blut_resources.boxes.beats import beat
from blut_resources.boxes.seen import BOXES, show_box
from blut_resources.runs import heartbeat

LONG_AGO = 1.0


def beaten(path: Path) -> None:
    """Wait until a file was touched thrice from now on: so many rounds has a thread gone."""
    for _ in range(3):
        os.utime(path, (LONG_AGO, LONG_AGO))
        while path.stat().st_mtime == LONG_AGO:
            time.sleep(0.005)


def in_a_fork(work: Callable[[], object]) -> int:
    pid = os.fork()
    if not pid:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def opened(path: Path) -> io.FileIO:
    return io.FileIO(path, "w")


def test_a_forked_process_beats_for_itself_and_not_for_its_parent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "BEAT_S", 0.01)
    parents, own = tmp_path / "parents", tmp_path / "own"
    file = opened(parents)
    stop = beat(file)
    beaten(parents)
    stop()
    with beats._changes:
        beats._beating.add(file)  # held, while the thread of this process is not to be seen in the file
        os.utime(parents, (LONG_AGO, LONG_AGO))

        def work() -> None:
            mine = opened(own)
            beat(mine)
            beaten(own)
            assert parents.stat().st_mtime == LONG_AGO, "a parent that is dead would look alive"

        assert in_a_fork(work) == 0
        beats._beating.discard(file)
    file.close()


def test_a_forked_process_shows_its_box_and_its_run_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beats, "BEAT_S", 0.01)
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.01)
    show_box(tmp_path)
    heartbeat.start(tmp_path, "run")
    (box,) = (tmp_path / BOXES).iterdir()

    def work() -> None:
        assert not seen._shown and not heartbeat._beating
        show_box(tmp_path)
        beaten(box)
        heartbeat.start(tmp_path, "run")
        beaten(tmp_path / heartbeat.NAME)

    with beats._changes:  # so the beats are the other process's
        assert in_a_fork(work) == 0
    heartbeat.stop("run")
