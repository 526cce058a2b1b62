"""As the product uses it, with nothing chosen by hand. Last, because slow: what imports dagster goes here."""

import os
import select
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import Limits, launch
from tests.owners import USER, Owner, Who, done_by, within
from tests.uml.inside.person import PATIENCE_S, Person
from tests.uml.inside.scenes import MIB, SMALL, hog, shell

ROOT, RUNNER = Who("root auto", "systemd"), Who("user auto", "systemd", user=USER)
NO_MANAGER = Who("nobody auto", "cgroup2", user="nobody", cgroup="nobody's")
ARGS = {"epochs": 2, "limits": {"memory_max": "64M"}}


@pytest.fixture(autouse=True)
def _delegated() -> None:
    cgroup = Path("/sys/fs/cgroup", NO_MANAGER.cgroup)
    if not cgroup.exists():
        cgroup.mkdir()
        for file in ("", "cgroup.procs", "cgroup.subtree_control"):
            os.chown(cgroup / file, NO_MANAGER.uid, -1)


@pytest.mark.parametrize("who", [ROOT, RUNNER, NO_MANAGER], ids=lambda who: who.name)
def test_strongest_backend(who: Who) -> None:
    """``auto`` finds the manager, else the delegated cgroup; the owner follows the output and the end."""
    place = who.place("auto")
    command = shell('echo epoch 1; "$@"; echo never', *hog(80))

    def act(_: Owner) -> Any:
        environment = {"PATH": os.environ["PATH"]}
        limits = Limits.resolve({"memory_max": SMALL}, {}, {})
        with launch(command, env=environment, cwd=place, limits=limits, place=place, name="auto") as unit:
            ended = bool(select.select([unit], [], [], 60)[0])
            outcome = unit.wait(0)
            log = (place / "log").read_text()
            told = {"ended": ended, "log": log, "said": outcome.describe(), "retry": outcome.retry}
            return {**told, "outcome": asdict(outcome), "enforcement": asdict(unit.enforcement)}

    found = done_by(who, act)
    assert found["enforcement"]["backend"] == who.backend, found
    assert found["enforcement"]["contained"] and found["enforcement"]["memory_max"] == SMALL
    assert (found["outcome"]["kind"], found["outcome"]["whose"]) == ("oom-kill", "own")
    assert found["ended"] and found["log"] == "epoch 1\n"
    assert "memory limit of 40 MiB" in found["said"] and "BLUT_MEMORY_MAX" in found["said"]
    assert not found["retry"]


def test_a_recipe_that_takes_too_much(tmp_path: Path) -> None:
    person = Person(RUNNER, tmp_path)
    person.behave(mib=96, grandchild=True)
    assert person.run(ARGS).wait() == 1, person.said()
    assert "killed at 64 MiB, because its memory limit of 64 MiB was reached" in person.said()
    (failure,) = person.failures()
    assert all(f'"{word}"' in failure for word in ("outcome", "oom-kill", "whose", "own", "limit", "peak"))
    assert str(64 * MIB) in failure
    person.assert_nothing_is_left("payload out of memory", "exit 1", None)


@pytest.mark.heavy
def test_a_recipe_is_cancelled_from_another_shell_and_ends_well_the_second_time(tmp_path: Path) -> None:
    who = RUNNER
    person = Person(who, tmp_path)
    person.behave(hang=True, grandchild=True, last_words_s=0.5)
    run = person.run(ARGS)
    tree = person.tree()
    (unit,) = person.units()
    assert "contained-trained" in unit
    assert who.systemctl("show", "--property=MemoryMax", unit) == f"MemoryMax={64 * MIB}\n"
    assert all(Path(f"/proc/{pid}/cgroup").read_text().endswith(f"/{unit}\n") for pid in tree)
    within(PATIENCE_S, lambda: person.happened("epoch-1 "))
    seconds = person.cancel()
    assert run.wait() == 130, person.said()
    person.assert_nothing_is_left("blut cancel", "exit 130", seconds)
    assert seconds < 60 and person.happened("saved")

    person.behave()
    assert person.run(ARGS).wait() == 0, person.said()
    assert person.happened("resumed-at-2 ") and person.happened("end ")
    person.assert_nothing_is_left("none; run again", "exit 0", None)
