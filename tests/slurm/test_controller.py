"""A controller that does not answer says nothing of the jobs: what it is asked waits, and nothing is lost."""

import json
import signal
import time
from typing import Any

import pytest

from tests.e2e.scene import until
from tests.slurm.scene import EPOCHS, SlurmScene


def jobs(scene: SlurmScene) -> list[dict[str, Any]]:
    done = scene.blut("jobs", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def progress(scene: SlurmScene) -> str:
    return next((str(row["progress"]) for row in jobs(scene)), "")


@pytest.mark.parametrize("down_s", [12.0, pytest.param(60.0, marks=pytest.mark.heavy)])
def test_a_training_goes_on_without_it(scene: SlurmScene, undisturbed: dict[str, str], down_s: float) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-1 "), 60, process)
    scene.cluster.kill_controller()
    down = time.monotonic()
    until(lambda: progress(scene).startswith("waiting: squeue"), 60, process)
    asked = len(scene.asked.read_text())
    (found,) = jobs(scene)
    assert found["state"] == "started" and len(scene.asked.read_text()) - asked < 300, "it asks nobody itself"
    (scene.root / "gate").touch()
    until(lambda: scene.happened("end "), 60, process)
    time.sleep(max(0.0, down + down_s - time.monotonic()))
    scene.cluster.start_controller()
    assert process.wait(60) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.epochs() == list(range(EPOCHS)) and scene.starts() == 1


def test_a_cancel_is_carried_out_when_it_is_back(scene: SlurmScene) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-1 "), 60, process)
    job = scene.job_id()
    scene.cluster.kill_controller()
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    assert scene.happened("saved "), "it had time for its checkpoint, and needs no controller for that"
    scene.cluster.start_controller()
    scene.cluster.until_job(job, "COMPLETED", "FAILED", "CANCELLED", seconds=40)
    assert scene.starts() == 1


@pytest.mark.heavy
def test_what_waits_in_the_queue_is_taken_out_of_it_when_it_is_back(scene: SlurmScene) -> None:
    scene.profile(options=["--begin=now+300"])
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: "BeginTime" in progress(scene), 60, process)
    job = scene.job_id()
    scene.cluster.kill_controller()
    until(lambda: progress(scene).startswith("waiting: squeue"), 60, process)
    process.send_signal(signal.SIGINT)
    assert process.wait(20) != 0
    scene.cluster.start_controller()
    assert scene.cluster.until_job(job, "CANCELLED", seconds=40)


@pytest.mark.heavy
def test_busy_five_times_is_no_refusal(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    count = scene.root / "busy"
    said = "sbatch: error: Batch job submission failed: Resource temporarily unavailable"
    lines = f'echo >>{count}; [ "$(wc -l <{count})" -gt 5 ] || {{ echo "{said}" >&2; exit 1; }}'
    scene.put_command("sbatch", lines)
    assert scene.run(scene.job(epochs=EPOCHS)) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.submitted() == 6 and scene.starts() == 1
