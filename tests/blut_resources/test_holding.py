"""A run belongs to whoever has marked it: only that can be found dead, and only of it anything is written."""

import datetime as dt
import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy

from blut_resources.alive import OutOfReach, cancel_run, reap_dead_runs
from blut_resources.holding import _held, held, hold_in, launch_here, let_go
from blut_resources.instance.instance import open_instance
from blut_resources.machine import liveness
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from tests.conftest import REPOSITORY

JOB = dg.GraphDefinition("one").to_job()
LABEL = ".dagster/repository"
MULTI = """
import sys
import dagster as dg
from blut_resources.instance.instance import open_instance
from tests.owned import job
if __name__ == "__main__":
    with open_instance() as instance:
        with dg.execute_job(dg.reconstructable(job), instance=instance) as done:
            print(done.success)
"""


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTING", "STARTED", "CANCELING"])
def test_what_nobody_of_blut_has_marked_is_left_to_dagsters_own_monitoring(home: Path, status: str) -> None:
    with open_instance() as instance:
        made = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus[status])
        long_ago = dt.datetime(2020, 1, 1)
        with instance.run_storage.connect() as connection:  # type: ignore[attr-defined]
            connection.execute(
                sqlalchemy.text("UPDATE runs SET create_timestamp = :at, update_timestamp = :at"),
                {"at": long_ago},
            )
        assert reap_dead_runs(instance) == []
        again = instance.get_run_by_id(made.run_id)
        assert again is not None and again.status.value == status


def test_a_run_of_others_is_ended_by_dagster_or_not_at_all(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_instance() as instance:
        made = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
        with pytest.raises(OutOfReach, match=f"end it where it was launched, or .*{made.run_id[:8]} --gone"):
            cancel_run(instance, made)
        working = instance.get_run_by_id(made.run_id)
        assert working is not None and not working.is_finished

        def ended(run_id: str) -> bool:
            instance.report_run_canceled(made)
            return run_id == made.run_id

        with monkeypatch.context() as patch:
            patch.setattr(instance.run_launcher, "terminate", ended)
            assert "Dagster ended it" in cancel_run(instance, working)
        lost = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus.STARTED)
        assert "is cancelled" in cancel_run(instance, lost, gone=True)
        gone = instance.get_run_by_id(lost.run_id)
        assert gone is not None and gone.status is dg.DagsterRunStatus.CANCELED


@pytest.mark.parametrize("status", ["NOT_STARTED", "STARTED"])
def test_what_a_process_of_blut_was_about_to_run_ends_with_it(home: Path, status: str) -> None:
    with open_instance() as instance:
        made = instance.create_run_for_job(JOB, status=dg.DagsterRunStatus[status])
        hold_in(home, made.run_id)
        assert reap_dead_runs(instance) == []
        _held.pop(made.run_id).close()  # as its process leaves it when it is killed
        assert reap_dead_runs(instance) == [made.run_id]
        again = instance.get_run_by_id(made.run_id)
        assert again is not None and again.status is dg.DagsterRunStatus.FAILURE


def test_a_launch_is_taken_down_whatever_stores_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifest, place in the UI and end, on a storage that knows nothing of Blut."""
    home = tmp_path / "stock"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    run_id = "0a7e0d0e-6a61-4a8c-9c4d-0e4c2f6f7a11"
    with dg.DagsterInstance.get() as instance:
        launch_here(instance, run_id)
        assert liveness.marked(home / "alive" / run_id) == "yes"
        tags = {LABEL: "__repository__@mine"}
        assert JOB.execute_in_process(instance=instance, run_id=run_id, tags=tags).success
        run = instance.get_run_by_id(run_id)
        assert run is not None and run.remote_job_origin is not None
        assert run.remote_job_origin.repository_origin.get_label() == "__repository__@mine"
    known = manifest.read(manifest_path(home, run_id))
    assert (known["outcome"], known["completed_by"], known["pid"]) == ("succeeded", "run", os.getpid())
    assert run_id not in held() and not (home / "alive" / run_id).exists()


def test_a_run_whose_steps_have_processes_lives_as_long_as_its_own_process(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as run:
        mark = tmp_path / "run"
        for _ in range(2):  # one step after the other
            liveness.Mark(mark, [liveness.process(run.pid)]).close()
            assert liveness.marked(mark) == "yes"
        assert len(mark.read_text().splitlines()) == 2
        run.send_signal(signal.SIGKILL)
    assert liveness.marked(mark) == "no"


def test_a_step_that_is_executed_for_a_run_out_of_sight_says_nothing_of_its_end(tmp_path: Path) -> None:
    step = liveness.Mark(tmp_path / "run", unseen=True)
    assert liveness.marked(tmp_path / "run") == "yes"
    step.close()
    assert liveness.marked(tmp_path / "run") == "unknown"


@pytest.mark.slow
def test_steps_in_processes_of_their_own_are_one_run(home: Path, tmp_path: Path) -> None:
    """It is not reaped between its steps, and whoever looks next writes its end."""
    (tmp_path / "script.py").write_text(MULTI)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["True"], done.stderr
    with open_instance() as instance:
        (run,) = instance.get_runs()
        assert run.status is dg.DagsterRunStatus.SUCCESS
        begun = manifest.read(manifest_path(home, run.run_id))
        assert begun["argv"][-1] == str(tmp_path / "script.py") and begun["outcome"] is None
        assert reap_dead_runs(instance) == []
        ended = manifest.read(manifest_path(home, run.run_id))
        assert (ended["outcome"], ended["completed_by"]) == ("succeeded", "another process")
        assert not (home / "alive" / run.run_id).exists()


def test_letting_go_of_what_is_not_held_is_nothing(home: Path) -> None:
    let_go("0a7e0d0e-6a61-4a8c-9c4d-0e4c2f6f7a12")
