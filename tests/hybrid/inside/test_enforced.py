"""Root's units on cgroup v1 are held by systemd too, although it does not notice why they end."""

from pathlib import Path
from typing import Any

from tests.hybrid.inside.test_not_enforced import MIB, SYSTEM, attempt, hog
from tests.owners import processes

LIMITS: dict[str, Any] = {"memory_max": 64 * MIB}


def check(found: Any, whose: str) -> None:
    outcome = found["outcome"]
    assert (outcome["kind"], outcome["whose"], outcome["limit"]) == ("oom-kill", whose, 64 * MIB), found
    assert 0.9 * 64 * MIB < outcome["peak"] <= 64 * MIB
    assert found["enforcement"]["contained"] and found["enforcement"]["backend"] == "systemd"
    assert "blut-" not in SYSTEM.systemctl("list-units", "--all", "--no-legend", "blut-*")


def test_own_limit() -> None:
    check(attempt(SYSTEM, SYSTEM.place("oom"), hog(200, "own-limit"), **LIMITS), "own")
    assert not processes("own-limit")


def test_grandchild() -> None:
    """The kernel kills one process here; the supervisor ends the rest."""
    command = ["/bin/sh", "-c", 'setsid "$@" & sleep 300', "grandchild", *hog(200, "grandchild")]
    check(attempt(SYSTEM, SYSTEM.place("grandchild"), command, **LIMITS), "own")
    assert not processes("grandchild")


def test_no_cgroup_is_left() -> None:
    """Of all the units above, in any hierarchy."""
    assert not list(Path("/sys/fs/cgroup").glob("*/blut.slice/*.service"))
