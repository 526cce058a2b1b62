"""The instance persists, and is found."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blut_resources.instance.home import find_home
from tests.conftest import REPOSITORY

COMMAND = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "tests.scripted", "--select", "*"]


@pytest.mark.slow
def test_a_temporary_instance_is_refused_with_the_remedy(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    environment |= {"SCRIPT": "{}", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(COMMAND, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode != 0
    assert "temporary and would forget the result" in done.stderr
    assert "export DAGSTER_HOME=" in done.stderr


@pytest.mark.slow
def test_the_checkout_is_its_own_instance_for_dagsters_commands(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    (checkout / ".dagster").mkdir(parents=True)
    for name in (".env", ".dagster/dagster.yaml"):
        (checkout / name).write_text((REPOSITORY / name).read_text())
    environment = {key: value for key, value in os.environ.items() if key != "DAGSTER_HOME"}
    environment |= {"SCRIPT": json.dumps({"epochs": 1}), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run(COMMAND, cwd=checkout, env=environment, check=True, stderr=subprocess.DEVNULL)
    assert (checkout / ".dagster" / "history" / "runs.db").is_file()


def test_the_home_is_found_from_a_folder_below_the_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "checkout" / ".dagster").mkdir(parents=True)
    (tmp_path / "checkout" / ".dagster" / "dagster.yaml").touch()
    below = tmp_path / "checkout" / "a" / "b"
    below.mkdir(parents=True)
    assert find_home(below) == tmp_path / "checkout" / ".dagster"
    assert find_home(tmp_path) == tmp_path / "data" / "blut" / "dagster"
