"""A run shows that it lives, also after a moment in which it could not."""

import errno
import os
import time
from pathlib import Path

import pytest

from blut_resources.runs import heartbeat


def test_a_beat_that_fails_is_not_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else other machines would take the run for gone, and compute the same."""
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.02)
    failed: list[int] = []
    real = os.pwrite

    def full(file: int, data: bytes, at: int) -> int:
        if len(failed) < 3:
            failed.append(file)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(file, data, at)

    monkeypatch.setattr(heartbeat.os, "pwrite", full)
    heartbeat.start(tmp_path, "run")
    try:
        until = time.monotonic() + 5
        while not (beat := (tmp_path / heartbeat.NAME).read_text()) and time.monotonic() < until:
            time.sleep(0.02)
        assert len(failed) == 3 and beat
    finally:
        heartbeat.stop("run")
