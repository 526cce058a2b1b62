"""Nodes that are lost, come back, or start a job twice: one attempt counts, and it is the newest."""

import json
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.scene import until
from tests.slurm.scene import EPOCHS, SlurmScene


def node_of(scene: SlurmScene, job: str) -> str:
    return scene.cluster.job(job)["BatchHost"]


def trains_on(scene: SlurmScene, node: str) -> bool:
    return any("tests.payloads.trains" in words for words in scene.cluster.processes(node))


def begin_again(scene: SlurmScene, job: str) -> None:
    """Have a job that was requeued begin now, and not after the two minutes that Slurm takes."""
    until(lambda: scene.cluster.job(job).get("JobState") == "PENDING", 60)
    scene.cluster.run("scontrol", "update", f"jobid={job}", "StartTime=now")


@pytest.mark.heavy
def test_a_node_is_lost_while_its_processes_live_on(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    job = scene.job_id()
    lost = node_of(scene, job)
    time.sleep(5)  # so that the controller has written down that it runs
    scene.cluster.cut_node(lost)
    assert trains_on(scene, lost), "the zombie"
    begin_again(scene, job)
    until(lambda: scene.happened("resumed-at-3 "), 120, process)
    until(lambda: not trains_on(scene, lost), 5)
    (scene.root / "gate").touch()
    assert process.wait(60) == 0, scene.said()
    assert scene.versions() == undisturbed and scene.starts() == 2
    assert scene.epochs() == list(range(EPOCHS))
    scene.verify()


@pytest.mark.heavy
def test_what_a_thawed_node_still_says_does_not_count(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    job = scene.job_id()
    frozen = node_of(scene, job)
    time.sleep(5)
    scene.cluster.freeze_node(frozen)
    begin_again(scene, job)
    until(lambda: scene.happened("resumed-at-3 "), 120, process)
    (scene.root / "gate").touch()
    scene.cluster.thaw_node(frozen)
    assert process.wait(60) == 0, scene.said()
    until(lambda: not trains_on(scene, frozen), 5)
    assert scene.versions() == undisturbed
    assert scene.epochs() == list(range(EPOCHS))
    scene.verify()


def test_preempted_twice_it_is_one_run_that_resumes(scene: SlurmScene, undisturbed: dict[str, str]) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-1 "), 60, process)
    job = scene.job_id()
    for restart, epoch in ((1, 1), (2, 2)):
        preempt(scene, job)
        until(lambda: "requeued" in str(jobs(scene)[0]["progress"]), 30, process)
        scene.behave(gate=str(scene.root / "gate"), gate_at=epoch + 1)
        begin_again(scene, job)
        until(lambda at=epoch: scene.happened(f"resumed-at-{at + 1} "), 60, process)
        until(lambda at=epoch: scene.happened(f"epoch-{at + 1} "), 60, process)
        assert scene.cluster.job(job)["Restarts"] == str(restart)
    (scene.root / "gate").touch()
    assert process.wait(60) == 0, scene.said()
    assert scene.versions() == undisturbed and scene.metadata()["job_id"] == job
    assert scene.epochs() == list(range(EPOCHS)) and len(jobs(scene)) == 1
    assert scene.submitted() == 1
    assert float(scene.metadata()["queue_seconds"]) > 0


def preempt(scene: SlurmScene, job: str) -> None:
    """Submit a job that needs the node of another one, in a partition that goes before."""
    node = node_of(scene, job)
    other = scene.cluster.submit("sleep 1", "-p", "high", "-w", node, "-n2", "--exclusive")
    scene.cluster.until_job(other, "RUNNING", "COMPLETED", seconds=60)


def jobs(scene: SlurmScene) -> list[dict[str, object]]:
    return json.loads(scene.blut("jobs", "--json").stdout)


@pytest.mark.heavy
def test_a_node_is_switched_off_and_the_job_is_not_requeued(scene: SlurmScene) -> None:
    scene.profile(options=["--nodelist=n3"])
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.job(epochs=EPOCHS, retries=0))
    until(lambda: scene.happened("epoch-1 "), 60, process)
    job = scene.job_id()
    scene.cluster.run("scontrol", "update", f"jobid={job}", "Requeue=0")
    scene.cluster.stop_node("n3")
    assert process.wait(120) == 1
    assert "NODE_FAIL" in scene.said() and "n3" in scene.said(), scene.said()


@pytest.mark.heavy
def test_a_node_that_does_not_see_the_share_is_named_by_its_run_and_by_doctor(scene: SlurmScene) -> None:
    scene.profile(options=["--nodelist=n3"])
    store = scene.home / "store"
    store.mkdir()
    hide = scene.cluster.command(["mount", "-t", "tmpfs", "tmpfs", str(store)], "n3")
    subprocess.run(hide, check=True)
    try:
        rows = json.loads(scene.blut("doctor", "--json").stdout)
        assert scene.run(scene.job(epochs=EPOCHS, retries=0)) == 1
    finally:
        scene.cluster.stop_node("n3")
    (found,) = [row for row in rows if row["about"] == "launcher cluster"]
    assert f"a job on n3 did not see {store}" in found["found"]
    assert found["state"] == "broken" and "share of [cluster]" in found["remedy"]
    assert "n3 does not see its place on the share, or cannot write there" in scene.said(), scene.said()
    assert scene.starts() == 0


@pytest.mark.heavy
def test_an_outcome_that_is_seen_late_is_not_taken_for_a_loss(
    scene: SlurmScene, undisturbed: dict[str, str]
) -> None:
    """As with a share whose clients keep what a directory holds for half a minute."""
    hidden = Path(scene.root / "hidden")
    hidden.mkdir()
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(scene.job(epochs=EPOCHS))
    until(lambda: scene.happened("epoch-2 "), 60, process)
    place, job = scene.place(), scene.job_id()
    (scene.root / "gate").touch()
    until(lambda: move_outcome(place, hidden), 60, process)
    scene.cluster.until_job(job, "COMPLETED")
    time.sleep(20)
    assert process.poll() is None, scene.said()
    for path in hidden.iterdir():
        path.rename(place / path.name)
    assert process.wait(60) == 0, scene.said()
    assert scene.versions() == undisturbed


def move_outcome(place: Path, hidden: Path) -> bool:
    for path in place.glob("outcome.*.json"):
        path.rename(hidden / path.name)
    return any(hidden.iterdir())
