"""A machine that cannot run a test says so where it is read; in CI that is a failure."""

import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import REPOSITORY

TEST = """
import pytest
from tests.lacking import lacking

@pytest.fixture
def machine():
    lacking("linux.uml is missing; apt-get install user-mode-linux")

def test_something(machine):
    pass
"""


def run(directory: Path, **env: str) -> subprocess.CompletedProcess[str]:
    (directory / "test_it.py").write_text(TEST)
    (directory / "conftest.py").write_text("from tests.conftest import pytest_terminal_summary")
    inherited = {name: value for name, value in os.environ.items() if name != "BLUT_CI"}
    environment = {**inherited, "PYTHONPATH": str(REPOSITORY), **env}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir", directory]
    return subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)


def test_skip_is_loud(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert done.returncode == 0
    section = done.stdout.partition("NOT TESTED ON THIS MACHINE")[2]
    assert "test_it.py::test_something: linux.uml is missing; apt-get install user-mode-linux" in section
    assert "1 skipped" in section


def test_skip_fails_ci(tmp_path: Path) -> None:
    done = run(tmp_path, BLUT_CI="1")
    assert done.returncode == 1
    assert "$BLUT_CI=1" in done.stdout and "linux.uml is missing" in done.stdout
