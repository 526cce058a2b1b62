"""Whoever dies, however violently: the tree goes or stays as was agreed, and so does the lease."""

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from blut_resources.containment import attach
from blut_resources.machine.processes import start_time
from tests.aftermath import Row, note
from tests.blut_resources.containment.conftest import BACKENDS
from tests.blut_resources.containment.units import (
    REPOSITORY,
    Owner,
    await_deaf,
    beside_deaf,
    memory_dir,
    output,
    own_memory_dir,
    shell,
    start,
    supervisor,
)
from tests.owners import PATIENCE_S, processes, within


def free(lease: Path) -> bool:
    """Whether nobody holds the lease's lock."""
    with lease.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def cgroups() -> list[Path]:
    return list(own_memory_dir().rglob("blut-kept-*"))


@pytest.mark.parametrize("backend", BACKENDS, indirect=True)
def test_owner_killed(place: Path, backend: str, tmp_path: Path) -> None:
    """Nothing is left soon after the grace period; the lease goes with the tree."""
    lease = tmp_path / "lease"
    command = beside_deaf("orphaned")
    owner = Owner(place, command, backend=backend, grace_s=1, lease=str(lease))
    assert owner.said() == "up"
    await_deaf(place, "orphaned")
    owner.kill()
    assert processes("orphaned") and not free(lease)
    took = within(PATIENCE_S, lambda: not processes("orphaned"))
    note(Row("SIGKILL of the owner", f"{backend}, unit alone", "cancelled", 0, None, round(took, 1)))
    within(PATIENCE_S, lambda: (place / "outcome.json").exists())
    within(PATIENCE_S, lambda: free(lease))
    assert not cgroups()
    assert 0.5 < took < 15
    unit = attach(place)
    assert unit
    with unit:
        assert unit.wait(PATIENCE_S).describe() == "cancelled (its owner died)"


def test_a_fork_of_the_owner_does_not_keep_the_unit_alive(place: Path) -> None:
    """A worker that the owner forked has a copy of all its descriptors."""
    code = (
        "import os, sys, time\nfrom pathlib import Path\n"
        "from tests.blut_resources.containment.units import *\n"
        "unit = start(Path(sys.argv[1]), beside_deaf('forked'), 'none', grace_s=0.3)\n"
        "child = os.fork()\nif child == 0: time.sleep(300)\nprint(child, flush=True)\ntime.sleep(300)"
    )
    owner = subprocess.Popen(
        [sys.executable, "-c", code, place], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout
    child = int(owner.stdout.readline())
    try:
        await_deaf(place, "forked")
        owner.kill()
        owner.wait()
        within(PATIENCE_S, lambda: not processes("forked"))
    finally:
        os.kill(child, signal.SIGKILL)
        owner.stdout.close()


def test_adopt_and_terminate(place: Path, backend: str, tmp_path: Path) -> None:
    """The payload lives on with its lease; another process finds it and ends it."""
    lease = tmp_path / "lease"
    options = {"backend": backend, "on_orphan": "adopt", "grace_s": 0.5, "lease": str(lease)}
    owner = Owner(place, beside_deaf("adopted"), **options)
    assert owner.said() == "up"
    await_deaf(place, "adopted")
    owner.kill()
    time.sleep(1)
    assert processes("adopted") and not free(lease)

    unit = attach(place)
    assert unit
    with unit:
        assert unit.enforcement.backend == backend
        unit.terminate()
        assert unit.wait(PATIENCE_S).kind == "cancelled"
    assert not processes("adopted") and free(lease) and not cgroups()


def test_adopt_and_wait(place: Path, backend: str, tmp_path: Path) -> None:
    """Its end is there for the next owner, whether that was attached in time or not."""
    end = tmp_path / "end"
    command = shell('until [ -e "$1" ]; do sleep 0.05; done; echo late; exit 6', str(end))
    owner = Owner(place, command, backend=backend, on_orphan="adopt")
    assert owner.said() == "up"
    owner.kill()
    time.sleep(0.3)
    unit, second = attach(place), attach(place)
    assert unit and second
    end.touch()
    assert (unit.wait(PATIENCE_S).kind, unit.wait(PATIENCE_S).code) == ("exit", 6)
    second.detach()
    unit.close()
    assert output(unit) == "late\n"

    after = attach(place)
    assert after
    with after:
        assert after.wait(0) == unit.wait(0)


def test_owner_killed_before_it_said_go(place: Path, tmp_path: Path) -> None:
    """A supervisor without an owner never starts its payload, also where it may be adopted."""
    place.mkdir()
    spec = {
        "command": ["touch", str(tmp_path / "started")],
        "program": "/usr/bin/touch",
        "cwd": "/",
        "umask": 0o22,
        "owner": [os.getpid(), 1],
        "grace_s": 1,
        "telling_s": 0,
        "on_orphan": "adopt",
        "backend": {},
    }
    (place / "spec.json").write_text(json.dumps(spec))
    os.mkfifo(place / "lifeline")
    os.mkfifo(place / "environment")
    entry = REPOSITORY / "blut_resources/containment/supervisor/entry.py"
    subprocess.run([sys.executable, "-I", "-S", entry, place / "spec.json"], check=True, timeout=10)
    outcome = json.loads((place / "outcome.json").read_text())
    assert (outcome["kind"], outcome["detail"]) == ("cancelled", "before it was started; its owner died")
    assert not (tmp_path / "started").exists()
    assert attach(place) is None


def test_supervisor_killed(place: Path, backend: str) -> None:
    """The outcome is lost then, the tree is not: it is ended by the owner."""
    with start(place, beside_deaf("unsupervised"), backend) as unit:
        await_deaf(place, "unsupervised")
        os.kill(supervisor(place), signal.SIGKILL)
        outcome = unit.wait(PATIENCE_S)
        assert (outcome.kind, outcome.detail, outcome.retry) == ("lost", "its supervisor was killed", True)
        assert (outcome.peak is None) == (backend == "none")
    assert not processes("unsupervised")
    assert not cgroups()


def test_supervisor_killed_when_it_was_told_to_end(place: Path, backend: str) -> None:
    """That the owner wanted an end is no proof that there was one."""
    with start(place, beside_deaf("half-ended"), backend) as unit:
        await_deaf(place, "half-ended")
        os.kill(supervisor(place), signal.SIGSTOP)
        unit.terminate()
        os.kill(supervisor(place), signal.SIGKILL)
    assert unit.wait().kind == "cancelled"
    assert not processes("half-ended")


def test_supervisor_and_owner_killed(place: Path, backend: str) -> None:
    """The next owner that looks for the unit ends what they left."""
    owner = Owner(place, beside_deaf("abandoned"), backend=backend, on_orphan="adopt")
    assert owner.said() == "up"
    await_deaf(place, "abandoned")
    owner.kill()
    pid = supervisor(place)
    os.kill(pid, signal.SIGKILL)
    within(PATIENCE_S, lambda: start_time(pid) is None)
    assert processes("abandoned")
    assert attach(place) is None
    assert not processes("abandoned")
    assert not cgroups()


def test_another_process_with_the_same_pid_is_not_the_unit(place: Path) -> None:
    """Pids are used again; the start time and the boot tell."""
    with start(place, ["true"], "none") as unit:
        unit.wait(PATIENCE_S)
    up = json.loads((place / "unit.json").read_text())
    (place / "unit.json").write_text(json.dumps({**up, "pid": os.getpid()}))
    ended = attach(place)
    assert ended
    with ended:
        assert ended.wait(0).ok


def test_a_unit_out_of_sight_is_left_alone(place: Path) -> None:
    """Its place may be shared with a container, where it has another pid."""
    with start(place, shell("sleep 300"), "none") as unit:
        up = json.loads((place / "unit.json").read_text())
        (place / "unit.json").write_text(json.dumps({**up, "boot": "another", "pid": os.getpid()}))
        assert attach(place) is None
        with pytest.raises(TimeoutError):
            unit.wait(0.3)


def test_stale_cgroups_go_at_the_next_launch(place: Path, cgroup1: None) -> None:
    """Made by an owner that died before it used them."""
    stale = own_memory_dir() / "blut" / "blut-kept-stale-000000"
    stale.mkdir(parents=True)
    long_ago = time.time() - 3600
    os.utime(stale, (long_ago, long_ago))
    with start(place, shell("sleep 300")) as unit:
        assert memory_dir(unit).parent == stale.parent
        assert not stale.exists()
    assert not list(own_memory_dir().rglob("blut-kept-*"))
