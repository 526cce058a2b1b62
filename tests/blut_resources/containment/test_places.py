"""A place is believed only if it is one's own: what others put there ends, removes and writes nothing."""

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.containment import attach
from blut_resources.machine.cgroupfs import is_unit
from blut_resources.payloads import orphans
from tests.blut_resources.containment.units import PYTHON, memory_dir, start
from tests.owners import PATIENCE_S

STRANGER = 65534
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a directory to another user")


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with any of this."""
    with subprocess.Popen(["sleep", "300"]) as process:
        yield process
        process.kill()


def forge(place: Path, victim: int, cgroup: Path) -> None:
    """A place as a killed run leaves it, which names a process and a cgroup of somebody's choice."""
    place.mkdir(parents=True, mode=0o700)
    unit = {"name": "blut-x-000000", "limits": {}, "backend": "cgroup1"}
    backend = {"cgroups": [str(cgroup)], "version": 1}
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    spec = {"unit": unit, "backend": backend, "grace_s": 0, "cwd": "/", "owner": [victim, 0]}
    (place / "spec.json").write_text(json.dumps(spec))
    namespace = Path("/proc/self/ns/pid").readlink()
    up = {"pid": victim, "start": 1, "boot": f"{boot} {namespace}", "payload": victim}
    (place / "unit.json").write_text(json.dumps(up))
    kept = {"backend": "cgroup1", "memory_max": None, "contained": True}
    (place / "enforcement.json").write_text(json.dumps(kept))


def aside(folder: Path, victim: int) -> Path:
    """A directory that looks like a cgroup, with the victim in it, and a file that a kill would write to."""
    cgroup = folder / "blut-x-000000"
    cgroup.mkdir(parents=True)
    (cgroup / "cgroup.procs").write_text(f"{victim}\n")
    (cgroup / "pids.max").write_text("kept")
    return cgroup


@pytest.mark.parametrize("what", ["link", "open", "forged"])
def test_what_an_old_link_names_now_is_neither_removed_nor_ended(
    tmp_path: Path, bystander: subprocess.Popen[bytes], what: str
) -> None:
    precious, place = tmp_path / "home", tmp_path / "blut-payload-x"
    (precious / "thesis").mkdir(parents=True)
    if what == "link":
        precious.chmod(0o700)
        place.symlink_to(precious)
    elif what == "open":
        place.mkdir()
        place.chmod(0o777)
        (place / "kept").touch()
    else:
        forge(place, bystander.pid, aside(tmp_path / "aside", bystander.pid))
    work = tmp_path / "works" / "work"
    work.mkdir(parents=True)
    (work / orphans.NAME).symlink_to(place)
    orphans.end_abandoned(work.parent)
    assert not os.path.lexists(work / orphans.NAME), "the link itself is ours, and goes"
    assert (precious / "thesis").is_dir() and (what != "open" or (place / "kept").exists())
    assert bystander.poll() is None
    assert what != "forged" or (tmp_path / "aside/blut-x-000000/pids.max").read_text() == "kept"


@as_root
def test_a_place_of_another_user_is_left_alone_and_said(
    tmp_path: Path, bystander: subprocess.Popen[bytes]
) -> None:
    place = tmp_path / "work" / orphans.NAME
    forge(place, bystander.pid, aside(tmp_path / "aside", bystander.pid))
    os.chown(place, STRANGER, STRANGER)
    with pytest.raises(orphans.InUse, match="belongs to nobody: run as that user, or remove it"):
        orphans.left_in(tmp_path / "work")
    assert attach(place) is None
    assert bystander.poll() is None and (place / "spec.json").exists()


def test_only_a_cgroup_of_a_unit_is_one(tmp_path: Path, place: Path, backend: str) -> None:
    assert not is_unit(str(aside(tmp_path, 1)))
    if backend == "cgroup1":
        with start(place, [*PYTHON, "-c", "pass"], backend) as unit:
            own = memory_dir(unit)
            assert is_unit(str(own)) and not is_unit(str(own.parent))
            assert not is_unit(f"{own}/../{own.name}")
            unit.wait(PATIENCE_S)


def test_a_place_is_private_and_where_nobody_else_can_make_one(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        place = orphans.new_place(tmp_path / "work", {}, adopt=False)
    finally:
        os.umask(before)
    assert place == tmp_path / "work" / orphans.NAME and place.stat().st_mode & 0o777 == 0o700
    orphans.forget(tmp_path / "work", place)
    assert not place.exists()
