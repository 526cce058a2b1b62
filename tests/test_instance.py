"""The instance persists, survives a crowd at its birth, and does not show the dead as running."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.home import find_home
from blut_resources.instance import open_instance
from blut_resources.runs import reap_dead_runs
from tests.test_trainer import REPOSITORY

COMMAND = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "tests.scripted", "--select", "*"]


@pytest.mark.slow
def test_eight_first_commands_at_once_all_succeed(home: Path) -> None:
    environment = {**os.environ, "SCRIPT": json.dumps({"epochs": 1})}
    runs = [
        subprocess.Popen(COMMAND, cwd=REPOSITORY, env=environment, stderr=subprocess.PIPE, text=True)
        for _ in range(8)
    ]
    ends = [(run.communicate()[1], run.returncode) for run in runs]
    assert [code for _, code in ends] == [0] * 8, ends[0][0][-2000:]
    with dg.DagsterInstance.get() as instance:
        assert len(instance.get_runs()) == 8
        assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.SUCCESS}


@pytest.mark.slow
def test_a_killed_run_is_shown_as_failed_by_the_next_start(home: Path, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    environment = {**os.environ, "SCRIPT": json.dumps({"hang": True, "pids": str(pids)})}
    process = subprocess.Popen(COMMAND, cwd=REPOSITORY, env=environment, stderr=subprocess.DEVNULL)
    while not pids.exists():
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with dg.DagsterInstance.get() as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.STARTED]
    with open_instance() as instance:
        reap_dead_runs(instance)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]


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
