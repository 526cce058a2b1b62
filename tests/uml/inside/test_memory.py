"""Too much memory ends one unit, all of it, and nothing else; who ran out is told."""

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.owners import CGROUPS, PATIENCE_S, Owner, Who, done_by
from tests.uml.inside.scenes import (
    MIB,
    SMALL,
    assert_nothing_is_left,
    hog,
    running,
    shell,
    start,
    to_end,
)

LARGE = 200 * MIB
CAP = "system.slice/job.service/cap"


def test_own_limit(who: Who) -> None:
    """The cause, the limit and the peak survive the unit; a second unit and the owner survive too."""
    place, beside = who.place("oom"), who.place("beside")

    def act(owner: Owner) -> Any:
        with start(who, beside, shell("sleep 300"), memory_max=SMALL) as bystander:
            result = to_end(who, place, hog(80), memory_max=SMALL)(owner)
            time.sleep(0.3)
            return {**result, "bystander": bystander.peak(), "runs": running(bystander)}

    found = done_by(who, act)
    outcome, enforcement = found["outcome"], found["enforcement"]
    assert (outcome["kind"], outcome["limit"], outcome["whose"]) == ("oom-kill", SMALL, "own"), outcome
    assert 0.9 * SMALL < outcome["peak"] <= SMALL
    assert (enforcement["backend"], enforcement["memory_max"]) == (who.backend, SMALL)
    assert enforcement["contained"]
    assert found["bystander"] > 0 and found["runs"]


def test_grandchild(who: Who) -> None:
    """It is the tree that is limited and killed, not the process that asked for too much."""
    place = who.place("grandchild")
    script = 'setsid "$@" & sleep 300'
    found = done_by(who, to_end(who, place, shell(script, *hog(80), "grandchild"), memory_max=SMALL))
    assert (found["outcome"]["kind"], found["outcome"]["whose"]) == ("oom-kill", "own"), found
    assert_nothing_is_left(who, "payload out of memory", found["outcome"]["kind"], "grandchild", None)


def test_shared_memory(who: Who) -> None:
    """A file left in /dev/shm fills the cgroup even when the payload is dead; the cause is told anyway."""
    place = who.place("shared")
    file = Path("/dev/shm", who.name)
    try:
        found = done_by(who, to_end(who, place, shell('cat /dev/zero >"$1"', str(file)), memory_max=SMALL))
    finally:
        file.unlink(missing_ok=True)
    assert (found["outcome"]["kind"], found["outcome"]["whose"]) == ("oom-kill", "own"), found


def test_ancestor(who: Who) -> None:
    """A group around the unit ran out: raising this unit's limit would be the wrong remedy."""
    place = who.place("ancestor")
    if who.backend == "systemd":
        who.systemctl("set-property", "--runtime", "blut.slice", f"MemoryMax={SMALL}")
    else:
        cap = CGROUPS / (who.cgroup or CAP)
        cap.mkdir(exist_ok=True)
        (cap / "memory.max").write_text(str(SMALL))
        who = who if who.cgroup else Who(who.name, who.backend, env={"BLUT_CGROUP": str(cap)})
    try:
        found = done_by(who, to_end(who, place, hog(80), memory_max=LARGE))
    finally:
        if who.backend == "systemd":
            who.systemctl("set-property", "--runtime", "blut.slice", "MemoryMax=infinity")
        else:
            (cap / "memory.max").write_text("max")
    outcome = found["outcome"]
    assert (outcome["kind"], outcome["limit"], outcome["whose"]) == ("oom-kill", LARGE, "ancestor"), outcome


@pytest.mark.parametrize("who", ["system", "user"], indirect=True)
def test_oomd(who: Who) -> None:
    """systemd-oomd kills a whole cgroup from outside and leaves a count on it; others leave none."""
    kinds = []
    for count in (b"", b"3"):
        place = who.place(f"oomd {count!r}")

        def act(_: Owner, place: Path = place, count: bytes = count) -> Any:
            with start(who, place, shell("sleep 300"), memory_max=SMALL) as unit:
                cgroup = Path(json.loads((place / "unit.json").read_text())["cgroups"][0])
                if count:
                    os.setxattr(cgroup, "user.oomd_kill", count)
                (cgroup / "cgroup.kill").write_text("1")
                outcome = unit.wait(PATIENCE_S)
                return outcome.kind, outcome.whose

        kinds.append(done_by(who, act))
    assert kinds == [["lost", None], ["oom-kill", "ancestor"]]
