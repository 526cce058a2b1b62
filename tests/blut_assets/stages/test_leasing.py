"""Trainings that do not fit side by side run one after the other, whoever starts them."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.leases.lease import Needs, holders, lease, waiters
from blut_resources.machine.memory import memory
from tests.conftest import REPOSITORY

pytestmark = pytest.mark.timeout(180)

MIB = 1 << 20
HOGS = """
import json, sys
import dagster as dg
from blut_resources.instance.instance import open_instance
from tests.hogs import hog
from tests.scripted import RESOURCES
with open_instance() as instance:
    ops = {"test__hog": {"config": json.loads(sys.argv[1])}}
    made = dg.materialize([hog], resources=RESOURCES, instance=instance, run_config={"ops": ops})
    print(json.dumps(made.output_for_node("test__hog").when))
"""


@pytest.fixture
def place(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home whose leases nobody else has."""
    monkeypatch.setenv("BLUT_LEASES", str(tmp_path / "leases"))
    monkeypatch.setenv("BLUT_LEASE_CPUS", "4")
    yield home


def start(seed: int, **more: int | float) -> "subprocess.Popen[str]":
    given = json.dumps({"seed": seed, **more})
    return subprocess.Popen(
        [sys.executable, "-c", HOGS, given],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def times(*started: "subprocess.Popen[str]") -> list[tuple[float, float]]:
    """When the payload of each began and ended to work."""
    found = []
    for one in started:
        out, err = one.communicate(timeout=120)
        assert one.returncode == 0, err
        found.append(tuple(json.loads(out.splitlines()[-1])))
    return sorted(found)


@pytest.mark.heavy
def test_two_whose_peaks_exceed_the_memory_never_run_at_once(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times(start(0, mib=8), start(1, mib=160))  # what a small one took says nothing of a large one
    monkeypatch.setenv("BLUT_MEMORY_RESERVE", str(memory().total - 300 * MIB))
    (one, first), (other, second) = times(*(start(seed, mib=160, hold_s=1) for seed in (2, 3)))
    assert first <= other, f"{one} to {first}, and {other} to {second}"


def test_two_that_want_all_cpus_take_turns_and_a_hit_waits_for_nobody(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (_, first), (other, _) = times(*(start(seed, threads=3, hold_s=0.5) for seed in (2, 3)))
    assert first <= other
    with lease(Needs(cpus=4), holder={"asset": "all"}, on_wait=print):
        times(start(2, threads=3, hold_s=0.5))
        third = start(4, threads=3)
        until = time.monotonic() + 60
        while not waiters():
            assert time.monotonic() < until and third.poll() is None
            time.sleep(0.05)
        third.terminate()
        third.communicate(timeout=60)
        assert not waiters() and len(holders()) == 1, "who is interrupted waits no more"


@pytest.mark.heavy
def test_a_payload_that_is_killed_gives_back_what_it_held(place: Path) -> None:
    one = start(2, threads=4, hold_s=60)
    until = time.monotonic() + 60
    while not holders():
        assert time.monotonic() < until and one.poll() is None
        time.sleep(0.05)
    one.kill()
    one.communicate(timeout=60)
    while holders():
        assert time.monotonic() < until, holders()
        time.sleep(0.05)
    times(start(3, threads=4))
