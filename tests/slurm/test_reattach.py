"""What runs on a node goes on when the process that ordered it dies, and is never ordered twice."""

import json
import shlex
import signal
from pathlib import Path

import pytest

from tests.e2e.scene import until
from tests.e2e.ui import dagster_dev
from tests.slurm.scene import EPOCHS, SlurmScene


def started(scene: SlurmScene) -> None:
    """A training behind its third epoch, the run of which is dead; it waits for the gate."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    until(scene.heard, 20, process)
    process.send_signal(signal.SIGKILL)
    process.wait(20)


def finished(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: "taken over" in scene.said(), 60, process)
    (scene.root / "gate").touch()
    assert process.wait(120) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.starts() == 1 and scene.epochs() == list(range(EPOCHS))
    assert scene.submitted() == 1
    assert json.loads(scene.blut("launch", "orphans", "--json").stdout) == []
    scene.verify()


def test_the_next_run_takes_it_over_and_no_epoch_is_seen_twice(
    scene: SlurmScene, undisturbed: dict[str, str]
) -> None:
    started(scene)
    assert scene.status() == "FAILURE" and scene.cluster.job(scene.job_id())["JobState"] == "RUNNING"
    (run,) = json.loads(scene.blut("jobs", "--json").stdout)
    assert run["progress"] == f"slurm job {scene.job_id()} goes on without it; the same command takes it over"

    def left() -> tuple[str, str, str]:
        (orphan,) = json.loads(scene.blut("launch", "orphans", "--json").stdout)
        return orphan["job"], orphan["run"], orphan["state"]

    # what the run that is dead was told of the queue may be a moment old, and is told to others
    until(lambda: left() == (scene.job_id(), run["id"], "running"), 20)
    finished(scene, undisturbed)


def test_it_has_ended_before_the_next_run(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    started(scene)
    (scene.root / "gate").touch()
    scene.cluster.until_job(scene.job_id(), "COMPLETED")
    assert scene.run(scene.job(epochs=EPOCHS)) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.starts() == 1 and scene.epochs() == list(range(EPOCHS))
    assert scene.submitted() == 1


def test_killed_after_it_was_submitted_and_before_that_was_written_down(
    scene: SlurmScene, undisturbed: dict[str, str]
) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    real = shlex.join(scene.cluster.command(["/usr/bin/sbatch"]))
    conf = scene.cluster.dir / "etc/slurm.conf"
    kill = f'SLURM_CONF={conf} {real} "$@" >/dev/null; kill -KILL $PPID; exit 1'
    scene.put_command("sbatch", kill)
    process = scene.start(scene.job(epochs=EPOCHS))
    process.wait(60)
    assert process.returncode != 0 and not list(scene.home.rglob("job.json"))
    scene.put_command("sbatch")
    until(lambda: scene.happened("epoch-2 "), 60)
    finished(scene, undisturbed)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_person_who_ends_it_ends_the_job(scene: SlurmScene, number: signal.Signals) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    job = scene.job_id()
    process.send_signal(number)
    assert process.wait(60) != 0
    assert scene.happened("saved "), "it had time for its checkpoint"
    assert scene.cluster.until_job(job, "COMPLETED", "FAILED", "CANCELLED", seconds=20)
    scene.behave()
    assert scene.run(scene.job(epochs=EPOCHS)) == 0, scene.said()
    assert scene.happened("resumed-at-3 ")


@pytest.mark.heavy
def test_a_ui_that_is_restarted_ends_no_job(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    config = {"ops": {"contained__trained": {"config": {"epochs": EPOCHS, "launcher": "cluster"}}}}
    assets = ["contained/raw", "contained/trained"]
    with dagster_dev("tests.contained", scene.environment()) as ui:
        ui.launch("__ASSET_JOB", config, assets)
        until(lambda: scene.happened("epoch-2 "), 120)
        until(scene.heard, 20)
    assert not scene.happened("stopped")
    assert scene.cluster.job(scene.job_id())["JobState"] == "RUNNING"
    with dagster_dev("tests.contained", scene.environment()) as ui:
        again = ui.launch("__ASSET_JOB", config, assets)
        until(lambda: (scene.home / "alive" / again).exists(), 120)
        (scene.root / "gate").touch()
        assert ui.wait(again) == "SUCCESS"
    assert scene.versions()["trained"] == undisturbed["trained"]
    assert scene.starts() == 1 and scene.submitted() == 1
    assert scene.epochs() == list(range(EPOCHS)), "none is lost or told twice"


@pytest.mark.heavy
def test_another_order_does_not_take_it_over(scene: SlurmScene) -> None:
    started(scene)
    job = scene.job_id()
    process = scene.start(scene.job(epochs=EPOCHS, word="other"))
    until(lambda: scene.starts() == 2, 60, process)
    assert "taken over" not in scene.said()
    assert scene.cluster.job(job)["JobState"] != "COMPLETED"
    (scene.root / "gate").touch()
    assert process.wait(60) == 0, scene.said()


def test_a_terminal_that_is_closed_ends_no_job(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start_anew(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    job = scene.job_id()
    process.send_signal(signal.SIGHUP)
    process.wait(60)
    assert scene.cluster.job(job)["JobState"] == "RUNNING"
    assert not Path(scene.place(), "outcome.0.json").exists()
    finished(scene, undisturbed)


@pytest.mark.heavy
def test_a_job_that_nobody_will_want_is_ended_by_a_person_and_its_checkpoint_stays(scene: SlurmScene) -> None:
    started(scene)
    job = scene.job_id()
    assert scene.blut("launch", "orphans", "999", "--cancel").returncode == 1
    assert scene.cluster.job(job)["JobState"] == "RUNNING"
    done = scene.blut("launch", "orphans", job, "--cancel")
    assert done.returncode == 0 and "asked to end" in done.stdout, done.stderr
    until(lambda: scene.happened("saved "), 30)
    scene.cluster.until_job(job, "COMPLETED", "FAILED", "CANCELLED", seconds=20)
    scene.behave()
    assert scene.run(scene.job(epochs=EPOCHS)) == 0, scene.said()
    assert scene.happened("resumed-at-3 ") and scene.submitted() == 2
