"""How long a run took: by no clock that somebody sets, and not until somebody found it dead."""

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from blut_assets.history.took import took
from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from blut_resources.runs import heartbeat, status
from tests.recorded import train

DAY_S = 86_400.0


def taken() -> tuple[float | None, float]:
    """Of the only run: what is said, and what Dagster would say."""
    with open_instance() as instance:
        reap_dead_runs(instance)
        (record,) = instance.get_run_records()
        assert record.start_time and record.end_time
        return took(instance, record), record.end_time - record.start_time


@pytest.mark.parametrize("jump_s", [DAY_S, -DAY_S])
def test_a_clock_that_is_set_meanwhile_is_not_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    real, write = time.time, status.Status.write

    def jump_at_an_epoch(self: status.Status, kind: str, *said: Any, **fields: Any) -> None:
        if kind == "epoch":
            monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        write(self, kind, *said, **fields)

    monkeypatch.setattr(status.Status, "write", jump_at_an_epoch)
    begun = time.monotonic()
    assert train().success
    lasted = time.monotonic() - begun
    monkeypatch.setattr(time, "time", real)
    said, dagsters = taken()
    assert abs(dagsters - jump_s) < 60, "the clock did jump"
    assert said is not None and 0 < said <= lasted


@pytest.mark.parametrize("jump_s", [0.0, DAY_S, -DAY_S])
def test_a_run_that_was_silent_before_it_died_took_as_long_as_it_lived(home: Path, jump_s: float) -> None:
    silent_s = 1.5

    def wait_and_die() -> None:
        write, real = status.Status.write, time.time

        def write_and_wait(self: status.Status, kind: str, *said: Any, **fields: Any) -> None:
            if kind == "epoch":
                time.time = lambda: real() + jump_s
            write(self, kind, *said, **fields)
            if kind == "epoch":
                time.sleep(silent_s)
                os.kill(os.getpid(), signal.SIGKILL)

        status.Status.write = write_and_wait  # type: ignore[method-assign]
        heartbeat.BEAT_S = 0.1
        train()

    begun = time.monotonic()
    run = multiprocessing.get_context("fork").Process(target=wait_and_die)
    run.start()
    run.join()
    lasted = time.monotonic() - begun
    time.sleep(1.5)  # until somebody finds it dead
    said, _ = taken()
    assert said is not None and silent_s <= said <= lasted
    assert not list((home / "runs").rglob(heartbeat.NAME))


def test_a_run_that_died_ended_with_its_last_word_and_not_when_it_was_found(home: Path) -> None:
    def die() -> None:
        write = status.Status.write

        def write_and_die(self: status.Status, kind: str, *said: Any, **fields: Any) -> None:
            write(self, kind, *said, **fields)
            if kind == "epoch":
                os.kill(os.getpid(), signal.SIGKILL)

        status.Status.write = write_and_die  # type: ignore[method-assign]
        train()

    begun = time.monotonic()
    run = multiprocessing.get_context("fork").Process(target=die)
    run.start()
    run.join()
    lasted = time.monotonic() - begun
    time.sleep(lasted + 1)
    said, dagsters = taken()
    assert dagsters > lasted, "for Dagster it has just ended"
    assert said is not None and 0 <= said <= lasted
