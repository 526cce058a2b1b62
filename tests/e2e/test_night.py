"""A small night of `bench.night`: what is said of trainings in the morning is what happened to them."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench.night import QUICK
from bench.night.__main__ import missing
from bench.night.morning import compared
from tests.conftest import REPOSITORY
from tests.lacking import lacking


@pytest.mark.heavy
@pytest.mark.e2e
def test_the_morning_after_three_trainings_that_were_hurt(tmp_path: Path) -> None:
    if why := missing():
        lacking(why)
    out = tmp_path / "table.json"
    words = [sys.executable, "-m", "bench.night", *QUICK, "--out", str(out)]
    done = subprocess.run(words, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert out.exists() and done.stdout.rstrip().endswith(" 0 wrong")


@pytest.mark.parametrize(
    ("found", "wrong"),
    [
        ([1, 2, 3], ""),
        ([1, 2, 3, 4], ""),
        ([1, 3], "lost: 2"),
        ([1, 2, 2, 3], "twice: 2"),
        ([1, 2, 3, 6, 7], "made up: 6-7"),
        ([], "lost: 1-3"),
    ],
)
def test_an_epoch_that_is_lost_or_told_twice_is_a_wrong_cell(found: list[int], wrong: str) -> None:
    assert compared(found, told={1, 2, 3}, perhaps={1, 2, 3, 4}).wrong == wrong
