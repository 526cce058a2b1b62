"""The units of `deploy/systemd`, started: boots a kernel of its own, and runs ``inside`` there."""

from pathlib import Path

import pytest

from tests.booted import Machine, boot, names_in

HERE = Path(__file__).parent
BOOT = HERE.parent / "uml" / "boot.sh"
pytestmark = [pytest.mark.systemd, pytest.mark.heavy, pytest.mark.timeout(2400)]


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Machine:
    return boot(BOOT, HERE / "inside", tmp_path_factory.mktemp("deployed"), timeout_s=2300)


@pytest.mark.parametrize("test", names_in(HERE / "inside"))
def test_inside(machine: Machine, test: str) -> None:
    machine.check(test)
