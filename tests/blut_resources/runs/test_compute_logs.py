"""What a run prints reaches the terminal and the files behind the UI, to the last line."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import dagster as dg

from blut_resources.instance.instance import open_instance
from blut_resources.runs.compute_logs import MirroredLogs
from tests.conftest import REPOSITORY

RUN = """
import os, subprocess, sys
import dagster as dg
from blut_resources.instance.instance import open_instance

@dg.job
def talkative():
    @dg.op
    def talk():
        print("from the step")
        print("aside", file=sys.stderr)
        subprocess.run(["echo", "from its child"])
        if len(sys.argv) > 1:
            os.system("ps -o args= --ppid $PPID")
        print("the last words " + "x" * 100_000)
    talk()

with open_instance() as instance:
    print("before")
    assert talkative.execute_in_process(instance=instance).success
    print("after")
"""


def run(*args: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", RUN, *args]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    return subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)


def test_the_terminal_and_the_ui_show_all_of_it(home: Path) -> None:
    done = run()
    assert done.returncode == 0, done.stderr
    step = ["from the step", "from its child", "the last words " + "x" * 100_000]
    assert done.stdout.splitlines() == ["before", *step, "after"]
    assert "aside" in done.stderr
    with open_instance() as instance:
        manager = instance.compute_log_manager
        assert isinstance(manager, MirroredLogs)
        (record,) = instance.get_run_records()
        events = instance.all_logs(record.dagster_run.run_id, dg.DagsterEventType.LOGS_CAPTURED)
        key = [record.dagster_run.run_id, "compute_logs", logs_captured(events)]
        data = manager.get_log_data(key)
        assert manager.is_capture_complete(key)
        assert data.stdout and data.stdout.decode().splitlines() == step
        assert data.stderr and b"aside" in data.stderr
        path = manager.get_captured_local_path(key, "out")
        assert Path(path).is_relative_to(home / "storage")


def logs_captured(events: Sequence[dg.EventLogEntry]) -> str:
    (event,) = [entry.dagster_event for entry in events]
    assert event is not None
    return event.logs_captured_data.file_key


def test_no_process_stands_beside_a_run(home: Path) -> None:
    done = run("list")
    assert done.returncode == 0, done.stderr
    beside = [line for line in done.stdout.splitlines() if "tail" in line or "watch_orphans" in line]
    assert "ps -o args=" in done.stdout and beside == [], done.stdout
