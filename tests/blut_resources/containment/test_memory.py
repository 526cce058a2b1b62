"""Too much memory ends one unit, all of it, and nothing else; whose limit it was is told."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.machine.cgroupfs import Cgroup
from tests.aftermath import Row, note
from tests.blut_resources.containment.units import (
    HOG,
    MIB,
    PYTHON,
    Owner,
    hog,
    memory_dir,
    output,
    own_memory_dir,
    shell,
    start,
)
from tests.lacking import lacking
from tests.owners import PATIENCE_S, processes, within

pytestmark = pytest.mark.usefixtures("cgroup1")
LIMIT = 48 * MIB
FILL = """
import sys, time
kept = bytearray(b"x") * (40 << 20)
with open(sys.argv[1], "wb", buffering=0) as file:
    for _ in range(30000):
        file.write(kept[:4096])
open(sys.argv[2], "w").close()
time.sleep(300)
"""


def test_own_limit(place: Path) -> None:
    """Limit and peak are known, a grandchild in its own session is gone, a second unit lives."""
    command = shell('setsid sleep 300.5 & exec "$@"', *hog(200))
    with start(place / "beside", shell("sleep 300"), memory_max=LIMIT) as bystander:
        with start(place, command, memory_max=LIMIT) as unit:
            cgroup = memory_dir(unit)
            outcome = unit.wait(PATIENCE_S)
            assert not processes("300.5")
            assert not cgroup.exists()
            assert "survived" not in output(unit)
        with pytest.raises(TimeoutError):
            bystander.wait(0)
        assert bystander.peak()
    assert (outcome.kind, outcome.limit, outcome.whose) == ("oom-kill", LIMIT, "own")
    assert outcome.peak and 0.98 * LIMIT < outcome.peak <= LIMIT
    assert not outcome.retry
    assert "memory limit of 48 MiB was reached; raise memory_max ($BLUT_MEMORY_MAX)" in outcome.describe()
    assert outcome.as_metadata()["outcome"] == "oom-kill"


def test_grandchild(place: Path) -> None:
    """The kernel kills only the process that is too large; the unit ends as a whole all the same."""
    script = 'setsid "$@" & while true; do sleep 0.1; done'
    with start(place, shell(script, *hog(200)), memory_max=LIMIT) as unit:
        outcome = unit.wait(PATIENCE_S)
    assert (outcome.kind, outcome.whose) == ("oom-kill", "own")


def test_many_small_ones(place: Path) -> None:
    """It is the sum that counts."""
    script = 'for i in 1 2 3 4 5 6; do "$@" & done; wait; echo "all ended"'
    slow = [*PYTHON, "-c", HOG + "\nimport time; time.sleep(300)", "16"]
    with start(place, shell(script, *slow), memory_max=LIMIT) as unit:
        outcome = unit.wait(PATIENCE_S)
        assert "all ended" not in output(unit)
    assert (outcome.kind, outcome.whose) == ("oom-kill", "own")


@pytest.fixture
def around() -> Iterator[Path]:
    """A group for an owner and its units, which may use 96 MiB."""
    group = own_memory_dir() / "blut-kept-around"
    group.mkdir()
    (group / "memory.limit_in_bytes").write_text(str(96 * MIB))
    (group / "memory.memsw.limit_in_bytes").write_text(str(96 * MIB))
    yield group
    # what was killed in it may take a moment to leave
    assert Cgroup(group, 1).remove(PATIENCE_S)


def test_ancestor(place: Path, around: Path) -> None:
    """A group around the unit ran out: to raise the unit's own limit would not help."""
    owner = Owner(place, hog(400), memory_max=300 * MIB, cgroup=str(around))
    assert owner.said() == "up"
    found = json.loads(owner.end())
    assert (found["outcome"], found["whose"], found["limit"]) == ("oom-kill", "ancestor", 300 * MIB)
    assert found["peak"] < 96 * MIB
    assert "a group around it ran out of memory" in found["outcome_text"]


def test_ancestor_after_files_had_filled_the_unit(place: Path, around: Path, tmp_path: Path) -> None:
    """The peak was at its own limit then, harmlessly, and does not tell whose limit it was in the end."""
    if not os.access("/dev/kmsg", os.R_OK):
        lacking("/dev/kmsg, the kernel's log, may not be read; it takes root")
    file = tmp_path / "file"
    fill = [*PYTHON, "-c", FILL, str(file), str(tmp_path / "full")]
    owner = Owner(place, fill, memory_max=64 * MIB, cgroup=str(around))
    assert owner.said() == "up"
    within(PATIENCE_S, (tmp_path / "full").exists)
    enter = f'echo $$ >"{around}/cgroup.procs" && exec "$@"'
    with subprocess.Popen(
        shell(enter, *PYTHON, "-c", HOG + "\nimport time; time.sleep(300)", "80")
    ) as neighbour:
        found = json.loads(owner.end())
        neighbour.kill()
    assert (found["outcome"], found["limit"]) == ("oom-kill", 64 * MIB)
    assert found["peak"] > 0.98 * 64 * MIB
    assert found["whose"] == "ancestor"


def test_within_the_limit(place: Path) -> None:
    with start(place, hog(16), memory_max=LIMIT) as unit:
        outcome = unit.wait(PATIENCE_S)
        assert output(unit) == "survived\n"
    assert outcome.ok and outcome.limit == LIMIT
    assert outcome.peak and 16 * MIB < outcome.peak < LIMIT


def test_rlimit_limits_a_process(place: Path) -> None:
    """Not the tree, and it says so; the process sees an allocation fail."""
    with start(place, hog(200), backend="rlimit", memory_max=LIMIT) as unit:
        assert unit.enforcement.memory_max == LIMIT
        assert not unit.enforcement.contained
        assert unit.wait(PATIENCE_S).code == 1
        assert "MemoryError" in output(unit)
    note(Row("payload needs more than its limit", "rlimit, unit alone", "exit 1, MemoryError", 0))
