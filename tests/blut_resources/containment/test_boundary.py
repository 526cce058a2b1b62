"""A payload of root that leaves its cgroup, or lifts its limit, is not called contained any more."""

import sys
from pathlib import Path

import pytest

from blut_resources.containment.supervisor.boundary import BROKEN
from tests.blut_resources.containment.units import HOG, MIB, memory_dir, own_memory_dir, shell, start
from tests.owners import PATIENCE_S, within

LEAVES = 'echo $$ >"$1/cgroup.procs"; shift; "$@"; read line </dev/zero'


@pytest.mark.usefixtures("cgroup1")
def test_a_process_that_leaves_is_told_while_it_runs_and_at_the_end(place: Path) -> None:
    command = shell(LEAVES, str(own_memory_dir()), sys.executable, "-I", "-S", "-c", HOG, "80")
    with start(place, command, memory_max=40 * MIB) as unit:
        assert unit.enforcement.contained
        within(PATIENCE_S, lambda: bool(unit.broken()))
        assert "left its cgroup for /" in unit.broken()
        assert not unit.enforcement.contained and unit.broken() in unit.enforcement.notes
        unit.kill()
        assert unit.broken() in unit.wait(PATIENCE_S).detail
        assert unit.enforcement.as_metadata()["contained"] is False


@pytest.mark.usefixtures("cgroup1")
def test_a_grandchild_that_leaves_is_told_although_its_parent_stayed(place: Path) -> None:
    script = 'setsid sh -c "echo \\$\\$ >$1/cgroup.procs; exec sleep 600" & read line; exec sleep 600'
    with start(place, shell(script, str(own_memory_dir())), memory_max=40 * MIB) as unit:
        within(PATIENCE_S, lambda: "('sleep') left its cgroup" in unit.broken())


@pytest.mark.usefixtures("cgroup1")
def test_a_limit_that_is_lifted_is_told(place: Path) -> None:
    with start(place, shell("exec sleep 600"), memory_max=40 * MIB) as unit:
        directory = memory_dir(unit)
        for file in (*directory.glob("memory.memsw.limit*"), directory / "memory.limit_in_bytes"):
            file.write_text("-1")
        within(PATIENCE_S, lambda: "was changed to None while it ran" in unit.broken())


@pytest.mark.usefixtures("cgroup1")
def test_who_stays_is_held_also_in_a_cgroup_of_its_own_below(place: Path) -> None:
    script = (
        'below=$(sed -n "s/.*:memory:/\\/sys\\/fs\\/cgroup\\/memory/p" /proc/self/cgroup)/below;'
        " mkdir $below && echo $$ >$below/cgroup.procs && for n in 1 2 3 4 5; do sleep 0.2; done; exit 0"
    )
    with start(place, shell(script), memory_max=40 * MIB) as unit:
        outcome = unit.wait(PATIENCE_S)
    assert outcome.ok and not outcome.detail and not (place / BROKEN).exists()
    assert unit.enforcement.contained
