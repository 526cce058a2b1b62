"""What the kernel says counts: no payload starts before its limit was read back, and none without."""

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import ContainmentRefused, launching
from blut_resources.machine.cgroupfs import cgroup_of
from tests.blut_resources.containment.units import (
    MIB,
    PYTHON,
    Owner,
    memory_dir,
    own_memory_dir,
    shell,
    start,
)
from tests.owners import PATIENCE_S

LIMIT = 64 * MIB
FORK = """
import os
try:
    while os.fork():
        pass
    os.read(os.pipe()[0], 1)
except OSError as error:
    print(error.errno)
"""
READ_ONLY = 'mount --make-rprivate / && mount -o remount,bind,ro /sys/fs/cgroup/memory && exec "$@"'


def change_limits(monkeypatch: pytest.MonkeyPatch, files: Sequence[str], text: str) -> None:
    """Somebody writes these files of every unit before anybody has looked at them."""
    await_up = launching._await_up

    def change(place: Path, pid: int | None) -> dict[str, Any]:
        up = await_up(place, pid)
        for unit in own_memory_dir().glob("blut/blut-kept-*"):
            for limit in (unit / file for file in files if (unit / file).exists()):
                limit.write_text(text)
        return up

    monkeypatch.setattr(launching, "_await_up", change)


MEMORY, SWAP = "memory.limit_in_bytes", "memory.memsw.limit_in_bytes"


@pytest.fixture
def raised(cgroup1: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody takes the limit away."""
    change_limits(monkeypatch, [SWAP, MEMORY], "-1")


def test_a_limit_that_does_not_hold_is_refused(place: Path, raised: None, tmp_path: Path) -> None:
    command = shell('touch "$1"', str(tmp_path / "started"))
    with pytest.raises(ContainmentRefused) as refused:
        start(place, command, memory_max=LIMIT)
    assert "cgroup1: asked for 64 MiB, but the kernel has no limit" in str(refused.value)
    assert "$BLUT_CONTAINMENT_MODE=best-effort" in str(refused.value)
    time.sleep(0.3)
    assert not (tmp_path / "started").exists()


@pytest.mark.usefixtures("cgroup1")
@pytest.mark.parametrize(("mib", "files"), [(32, [MEMORY, SWAP]), (128, [SWAP, MEMORY])])
def test_another_limit_than_was_asked_for_is_refused(
    place: Path, monkeypatch: pytest.MonkeyPatch, mib: int, files: list[str]
) -> None:
    change_limits(monkeypatch, files, str(mib * MIB))
    with pytest.raises(
        ContainmentRefused, match=f"asked for 64 MiB, but the kernel has a limit of {mib} MiB"
    ):
        start(place, ["true"], memory_max=LIMIT)


def test_best_effort_goes_on_and_says_so(place: Path, raised: None) -> None:
    with start(place, ["true"], "auto", memory_max=LIMIT, mode="best-effort") as unit:
        assert unit.wait(PATIENCE_S).ok
    assert (unit.enforcement.backend, unit.enforcement.contained) == ("rlimit", False)
    assert "cgroup1: asked for 64 MiB, but the kernel has no limit" in unit.enforcement.reason
    assert unit.enforcement.as_metadata()["contained"] is False


@pytest.mark.parametrize("mode", ["required", "best-effort"])
@pytest.mark.usefixtures("cgroup1")
def test_read_only_controllers(place: Path, tmp_path: Path, mode: str) -> None:
    """As in many containers: the limit could not be set, whatever a manager says."""
    command = shell('touch "$1"', str(tmp_path / "started"))
    elsewhere = ["unshare", "-m", "sh", "-c", READ_ONLY, "sh"]
    owner = Owner(place, command, elsewhere, backend="auto", memory_max=LIMIT, mode=mode)
    assert owner.said() == ("up" if mode == "best-effort" else "refused")
    said = owner.end()
    assert (tmp_path / "started").exists() == (mode == "best-effort")
    if mode == "required":
        assert "may not be written; run as root outside of a container that mounts it read-only" in said
        assert "set $BLUT_CONTAINMENT_MODE=best-effort" in said
    else:
        found = json.loads(said)
        assert (found["outcome"], found["containment"], found["contained"]) == ("ok", "rlimit", False)
        assert "cgroup1: /sys/fs/cgroup/memory" in found["containment_reason"]


def test_what_holds_no_tree_is_refused_where_that_is_required(place: Path) -> None:
    with pytest.raises(ContainmentRefused, match="none: does not hold a whole tree"):
        start(place, ["true"], "none", memory_max=LIMIT)
    with pytest.raises(ContainmentRefused, match="rlimit: does not hold a whole tree"):
        start(place, ["true"], "rlimit", memory_max=LIMIT, mode="required")
    assert not list(place.glob("*.json"))


@pytest.mark.usefixtures("cgroup1")
def test_lesser_limits_are_in_the_kernel_too(place: Path) -> None:
    limits: dict[str, Any] = {"memory_max": LIMIT, "memory_high": 48 * MIB, "swap_max": 8 * MIB}
    with start(place, shell("sleep 300"), tasks_max=20, cpu_weight=50, cpus=1.5, **limits) as unit:
        cgroup = memory_dir(unit)
        assert int((cgroup / "memory.limit_in_bytes").read_text()) == LIMIT == unit.enforcement.memory_max
        assert int((cgroup / "memory.soft_limit_in_bytes").read_text()) == 48 * MIB
        swap = cgroup / "memory.memsw.limit_in_bytes"
        assert not swap.exists() or int(swap.read_text()) == LIMIT + 8 * MIB
        payload = json.loads((place / "unit.json").read_text())["payload"]
        lesser = [("pids", "pids.max", 20), ("cpu", "cpu.shares", 512), ("cpu", "cpu.cfs_quota_us", 150_000)]
        for controller, file, value in lesser:
            found = cgroup_of(payload, controller)
            assert found and found.path.name == unit.name and found.read(file) == str(value)
        assert unit.enforcement.contained and not unit.enforcement.reason
        assert unit.enforcement.notes.startswith("memory_high slows nothing down on cgroup version 1")


@pytest.mark.usefixtures("cgroup1")
def test_no_swap_by_default(place: Path) -> None:
    with start(place, shell("sleep 300"), memory_max=LIMIT) as unit:
        swap = memory_dir(unit) / "memory.memsw.limit_in_bytes"
        assert not swap.exists() or int(swap.read_text()) == LIMIT


@pytest.mark.usefixtures("cgroup1")
def test_too_many_tasks(place: Path) -> None:
    """A fork fails, in this unit only."""
    with start(place, [*PYTHON, "-c", FORK], tasks_max=8) as unit:
        assert unit.wait(PATIENCE_S).ok
    assert (place / "log").read_text().split() == ["11"]


@pytest.mark.usefixtures("cgroup1")
def test_without_a_limit_a_cgroup_is_preferred(place: Path) -> None:
    """It kills surely and counts the memory."""
    with start(place, ["true"], "auto") as unit:
        assert unit.wait(PATIENCE_S).peak
        assert unit.enforcement.contained
    assert unit.enforcement.backend != "none"


def test_a_page_is_the_unit_of_limits(place: Path, cgroup1: None) -> None:
    """The kernel rounds down, and that is no lie."""
    with start(place, ["true"], memory_max=LIMIT + 1) as unit:
        assert unit.enforcement.memory_max == LIMIT


def test_the_machine_takes_a_payload_first(place: Path) -> None:
    """When all memory is used up, neither the session nor the daemon are to go."""
    with start(place, shell("cat /proc/self/oom_score_adj"), "none") as unit:
        unit.wait(PATIENCE_S)
    own = int(Path("/proc/self/oom_score_adj").read_text())
    assert int((place / "log").read_text()) == max(own, 500) and os.getpid()
