"""As the product uses it, with nothing chosen by hand. Last, because slow: what imports dagster goes here."""

import os
import select
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import Limits, launch
from tests.owners import USER, Owner, Who, done_by
from tests.uml.inside.scenes import SMALL, hog, shell

ROOT, RUNNER = Who("root auto", "systemd"), Who("user auto", "systemd", user=USER)
NO_MANAGER = Who("nobody auto", "cgroup2", user="nobody", cgroup="nobody's")


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
