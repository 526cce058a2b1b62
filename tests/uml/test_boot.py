"""Containment by systemd managers and on cgroup v2: boots a kernel of its own, runs ``inside`` there."""

from pathlib import Path

import pytest

from tests.booted import Machine, boot, names_in

HERE = Path(__file__).parent
pytestmark = [pytest.mark.systemd, pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return boot(HERE / "boot.sh", HERE / "inside", tmp_path_factory.mktemp("uml"), timeout_s=1100)


@pytest.mark.parametrize("test", names_in(HERE / "inside"))
def test_inside(machine: Machine, test: str) -> None:
    machine.check(test)


@pytest.mark.heavy
def test_the_other_owners(tmp_path: Path) -> None:
    machine = boot(HERE / "boot.sh", HERE / "inside", tmp_path, timeout_s=1100, marked="heavy")
    assert machine.cases
    for test in machine.cases:
        machine.check(test)
