"""Where systemd accepts a memory limit that nothing enforces, Blut does not believe it."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from blut_resources.containment import ContainmentRefused, Limits, launch
from tests.owners import PATIENCE_S, USER, Owner, Who, done_by, processes

MIB = 1 << 20
SYSTEM = Who("system", "systemd")
UNPRIVILEGED = Who("user", "systemd", user=USER)
MEMORY = "/sys/fs/cgroup/memory"
HOG = "import sys\nkept = [bytearray(4 << 20) for _ in range(int(sys.argv[1]) // 4)]\nprint('survived')"


@pytest.fixture
def read_only() -> Iterator[None]:
    """As container managers mount it: systemd cannot make the unit's memory cgroup, and says nothing."""
    subprocess.run(["mount", "-o", "remount,bind,ro", MEMORY], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,bind,rw", MEMORY], check=True)


def hog(mib: int, marker: str) -> list[str]:
    return ["/usr/bin/env", "python3", "-I", "-S", "-c", HOG, str(mib), marker]


def users_manager() -> str:
    """Which process it is."""
    return SYSTEM.systemctl("show", "--property=MainPID", f"user@{UNPRIVILEGED.uid}.service")


def attempt(who: Who, place: Path, command: list[str], **limits: Any) -> Any:
    """What became of a launch: a refusal, or outcome and enforcement."""

    def act(_: Owner) -> Any:
        try:
            with launch(
                command,
                env={"PATH": "/usr/bin:/bin"},
                cwd=Path("/"),
                limits=Limits(**limits),
                place=place,
                name="test",
            ) as unit:
                return {"outcome": asdict(unit.wait(PATIENCE_S)), "enforcement": asdict(unit.enforcement)}
        except ContainmentRefused as refusal:
            return {"refused": str(refusal)}

    return done_by(who, act)


def test_it_is_silent() -> None:
    """The premise: the user's manager says MemoryMax and starts the unit, and nothing holds it."""
    script = 'cat "/sys/fs/cgroup/memory$(sed -n s/.*:memory://p /proc/self/cgroup)/memory.limit_in_bytes"'
    run = ["systemd-run", "--user", "--quiet", "--pipe", "--wait", "--collect", "-p", "MemoryMax=64M"]

    def act(_: Owner) -> Any:
        environment = {**os.environ, "XDG_RUNTIME_DIR": f"/run/user/{os.getuid()}"}
        command = [*run, "/bin/sh", "-c", script]
        return int(subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE).stdout)

    assert done_by(UNPRIVILEGED, act) > 64 * MIB


def test_users_manager_required() -> None:
    """Required, which a limit implies: refused before the command started, with the reason and remedies.

    The unit that was tried and ended had no memory cgroup of its own, but shared its manager's.
    """
    manager = users_manager()
    found = attempt(UNPRIVILEGED, UNPRIVILEGED.place("required"), hog(80, "required"), memory_max=64 * MIB)
    assert "systemd: asked for 64 MiB, but the kernel has no limit" in found["refused"]
    assert "BLUT_CONTAINMENT_MODE=best-effort" in found["refused"]
    assert not processes("required")
    assert users_manager() == manager
    assert "blut-" not in UNPRIVILEGED.systemctl("list-units", "--all", "--no-legend", "blut-*")


def test_users_manager_without_limit() -> None:
    """There the user's manager is good enough: it ends whole trees."""
    manager = users_manager()
    command = ["/bin/sh", "-c", 'setsid "$@" & exit 3', "sh", "/bin/sh", "-c", "sleep 300", "left behind"]
    found = attempt(UNPRIVILEGED, UNPRIVILEGED.place("no limit"), command, backend="systemd")
    assert (found["outcome"]["kind"], found["outcome"]["code"]) == ("exit", 3), found
    assert found["enforcement"]["backend"] == "systemd"
    assert not processes("left behind")
    assert users_manager() == manager


def test_users_manager_best_effort() -> None:
    """Runs, and is marked."""
    place = UNPRIVILEGED.place("best effort")
    found = attempt(UNPRIVILEGED, place, hog(8, "best"), memory_max=64 * MIB, mode="best-effort")
    assert found["outcome"]["kind"] == "ok", found
    assert not found["enforcement"]["contained"]
    assert "systemd: asked for 64 MiB, but the kernel has no limit" in found["enforcement"]["reason"]


def test_no_users_manager() -> None:
    """The remedy is one command."""
    nobody = Who("nobody", "systemd", user="nobody")
    found = attempt(nobody, nobody.place("no manager"), hog(80, "nobody's"), memory_max=64 * MIB)
    assert "loginctl enable-linger nobody" in found["refused"]


@pytest.mark.usefixtures("read_only")
def test_read_only_controllers_required() -> None:
    found = attempt(SYSTEM, SYSTEM.place("read only"), hog(80, "read-only"), memory_max=64 * MIB)
    assert "systemd: asked for 64 MiB, but the kernel has no limit" in found["refused"]
    assert "cgroup1: " in found["refused"]
    assert not processes("read-only")
    assert "blut-" not in SYSTEM.systemctl("list-units", "--all", "--no-legend", "blut-*")


@pytest.mark.usefixtures("read_only")
def test_read_only_controllers_best_effort() -> None:
    place = SYSTEM.place("read only best effort")
    found = attempt(SYSTEM, place, hog(8, "ro-best"), memory_max=64 * MIB, mode="best-effort")
    assert found["outcome"]["kind"] == "ok", found
    assert not found["enforcement"]["contained"]
