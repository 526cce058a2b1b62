"""Who holds a name, seen from a second box: it waits for the living, and takes over from one that is gone."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from blut_resources.boxes import beats, locks
from blut_resources.boxes.beats import LIMIT
from blut_resources.boxes.locks import held_by, hold, is_abandoned
from tests import elsewhere
from tests.boxes.box import Box, signal_all

HOLD = """
import sys, time
from pathlib import Path
from blut_resources.boxes.locks import hold
with hold(Path(sys.argv[1]), sys.argv[2]) as one:
    print("held", flush=True)
    while not sys.stdin.readable() or not (line := sys.stdin.readline()):
        time.sleep(0.1)
    print(one.lost() or "still held", flush=True)
"""


def holding(box: Box, lock: Path, words: str, **env: str) -> "subprocess.Popen[str]":
    """A process of a box that holds a lock, or waits for it, until it is told a line."""
    command = box.command([sys.executable, "-c", HOLD, str(lock), words])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen(command, env=box.environment(env), text=True, start_new_session=True, **pipes)


def said(process: "subprocess.Popen[str]", line: str = "") -> str:
    assert process.stdin and process.stdout
    if line:
        process.stdin.write(line)
        process.stdin.flush()
    return process.stdout.readline().strip()


@contextmanager
def ended(process: "subprocess.Popen[str]") -> Iterator["subprocess.Popen[str]"]:
    """End it with the block, also where it stands still."""
    with process:
        try:
            yield process
        finally:
            process.kill()


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    elsewhere.demand()
    return tmp_path / "locks" / "something.lock"


def test_a_box_that_stands_still_loses_what_it_holds_and_finds_that_out(
    lock: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "2s")
    with ended(holding(Box(tmp_path / "a", "boxa"), lock, "run 1 of ann@boxa")) as there:
        assert said(there) == "held" and held_by(lock) == "run 1 of ann@boxa"
        time.sleep(3)
        assert not is_abandoned(lock), "it beats"
        signal_all(there.pid, signal.SIGSTOP)
        with hold(lock, "run 2 of bob@here") as one:
            assert one.lost() == "" and held_by(lock) == "run 2 of bob@here"
            signal_all(there.pid, signal.SIGCONT)
            assert said(there, "tell\n").startswith("run 2 of bob@here has taken over")
        assert not is_abandoned(lock)


def test_a_process_of_this_kernel_is_waited_for_however_long_it_stands_still(
    lock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(LIMIT, "0.1s")
    monkeypatch.setattr(beats, "BEAT_S", 0.2)
    monkeypatch.setattr(locks, "BEAT_S", 0.2)
    command = [sys.executable, "-c", HOLD, str(lock), "run 1"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with ended(subprocess.Popen(command, text=True, **pipes)) as there:
        assert said(there) == "held"
        os.kill(there.pid, signal.SIGSTOP)
        waits_until = time.monotonic() + 2

        def give_up() -> None:
            if time.monotonic() > waits_until:
                raise LookupError

        with pytest.raises(LookupError), hold(lock, "run 2", meanwhile=give_up):
            pass
        os.kill(there.pid, signal.SIGCONT)
        assert said(there, "tell\n") == "still held"
