"""Containment by systemd on cgroup v1, where managers accept limits that nothing enforces: boots a systemd of
its own on this machine's kernel and runs ``inside`` there."""

from pathlib import Path

import pytest

from tests.booted import Machine, boot, names_in

HERE = Path(__file__).parent
pytestmark = pytest.mark.systemd


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return boot(HERE / "boot.sh", HERE / "inside", tmp_path_factory.mktemp("hybrid"), timeout_s=180)


@pytest.mark.parametrize("test", names_in(HERE / "inside"))
def test_inside(machine: Machine, test: str) -> None:
    machine.check(test)
