"""A payload that is a job of Ray: what it makes, how it is held, and how it ends."""

import json
import os
import signal
import time
from pathlib import Path

from tests.e2e.scene import Scene, until
from tests.ray.cluster import VERSION
from tests.ray.conftest import RayScene

LIMITS = {"memory_max": "200M"}


def test_a_job_makes_what_this_machine_makes_and_is_submitted_once(scene: RayScene, tmp_path: Path) -> None:
    here = Scene(tmp_path / "here")
    assert here.run(here.recipe()) == 0
    assert scene.run(scene.job(limits=LIMITS)) == 0, scene.said()
    assert scene.versions() == here.versions()
    assert scene.epochs() == [0, 1, 2] and [job["status"] for job in scene.jobs()] == ["SUCCEEDED"]
    shown = scene.metadata()
    assert shown["launcher"] == "cluster" and shown["job_id"].startswith("blut-")
    assert not list((scene.home / "store" / "work").glob("*/unit*")), "nothing is left"
    assert scene.run(scene.job(limits=LIMITS)) == 0
    assert len(scene.jobs()) == 1, "a result that is there is nothing to submit"


def test_memory_is_a_limit_though_for_ray_it_is_none(scene: RayScene) -> None:
    scene.behave(mib=400)
    assert scene.run(scene.job(limits={"memory_max": "96M"}, retries=0)) == 1
    assert "killed at 96 MiB, because its memory limit" in scene.said(), scene.said()


def test_ctrl_c_gives_a_payload_its_grace_period(scene: RayScene) -> None:
    scene.behave(epoch_s=0.2)
    run = scene.start(scene.job(epochs=200, limits=LIMITS))
    until(lambda: len(scene.epochs()) > 1, process=run)
    run.send_signal(signal.SIGINT)
    assert run.wait() == 130
    assert scene.happened("saved"), scene.said()
    until(lambda: scene.jobs()[0]["status"] in ("STOPPED", "FAILED", "SUCCEEDED"), 20)


def test_what_fits_on_no_node_is_refused_with_figures(scene: RayScene) -> None:
    assert scene.run(scene.job(limits={"memory_max": "900G"})) == 1
    assert "asks for memory 900" in scene.said() and not scene.jobs(), scene.said()


def test_what_waits_for_a_node_says_so_and_is_ordered_again_by_the_run_after_a_death(
    scene: RayScene, tmp_path: Path
) -> None:
    scene.profile("cpus = 2\n")
    scene.behave(gate=str(tmp_path / "gate"))
    first = scene.start(scene.job(epochs=2, limits=LIMITS))
    until(lambda: scene.happened("epoch-0"), process=first)
    second = scene.start(scene.job(epochs=3, limits=LIMITS))
    until(lambda: "no node of Ray has room" in scene.blut("jobs").stdout, process=second)
    second.kill()
    second.wait()
    (waits,) = [job for job in scene.jobs() if job["status"] == "PENDING"]
    until(lambda: [job["status"] for job in scene.jobs()].count("FAILED") == 1, process=first)
    second = scene.start(scene.job(epochs=3, limits=LIMITS))
    until(lambda: len(scene.jobs()) == 3, process=second)
    orders = [job for job in scene.jobs() if job["submission_id"].startswith(waits["submission_id"])]
    assert [job["submission_id"].removeprefix(waits["submission_id"]) for job in orders] == ["", ".1"]
    assert orders[0]["metadata"] == orders[1]["metadata"]
    known = {job["submission_id"] for job in scene.jobs()}
    third = scene.start(scene.job(epochs=4, limits=LIMITS))
    until(lambda: len(scene.jobs()) == 4, process=third)
    third.send_signal(signal.SIGINT)
    assert third.wait() == 130
    (still,) = [job for job in scene.jobs() if job["submission_id"] not in known]
    assert still["status"] == "PENDING", "Ray ends it when it has a place, and nobody waits for that"
    (tmp_path / "gate").touch()
    assert first.wait() == 0 and second.wait() == 0, scene.said()
    until(lambda: not {job["status"] for job in scene.jobs()} & {"PENDING", "RUNNING"})
    assert [job["status"] for job in scene.jobs()].count("SUCCEEDED") == 2 and scene.starts() == 2


def test_a_head_that_is_away_changes_nothing(scene: RayScene) -> None:
    scene.behave(epoch_s=0.3)
    run = scene.start(scene.job(epochs=20, limits=LIMITS))
    until(lambda: len(scene.epochs()) > 1, process=run)
    scene.cluster.close_door()
    time.sleep(8)
    scene.cluster.open_door()
    assert run.wait() == 0, scene.said()
    assert scene.epochs() == list(range(20)) and len(scene.jobs()) == 1


def test_a_run_that_died_is_taken_up_by_the_next(scene: RayScene) -> None:
    scene.behave(epoch_s=0.3)
    run = scene.start(scene.job(epochs=25, limits=LIMITS))
    until(lambda: len(scene.epochs()) > 1, process=run)
    run.kill()
    run.wait()
    assert scene.run(scene.job(epochs=25, limits=LIMITS)) == 0, scene.said()
    assert scene.epochs() == list(range(25)) and len(scene.jobs()) == 1, "the same job went on"


def test_a_job_that_dies_with_its_agent_is_ordered_again_and_costs_no_epoch(scene: RayScene) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    run = scene.start(scene.job(epochs=4, limits=LIMITS))
    until(lambda: scene.happened("epoch-2 "), process=run)
    for agent in scene.cluster.pids("launchers.agent", str(scene.home)):
        os.kill(agent, signal.SIGKILL)
    assert run.wait() == 0, scene.said()
    assert "retry 1 of 2" in scene.said() and scene.happened("resumed-at-3 ")
    assert set(scene.epochs()) == set(range(4)) and len(scene.jobs()) == 2


def doctors_line(scene: RayScene) -> dict[str, str]:
    rows = json.loads(scene.blut("doctor", "--json").stdout)
    return next(row for row in rows if row["about"] == "launcher cluster")


def test_doctor_says_what_the_head_is_and_what_its_nodes_see(scene: RayScene) -> None:
    found = doctors_line(scene)
    assert found["state"] == "ok" and found["found"].startswith(f"Ray {VERSION}, nodes: 2, at most CPU 2")
    scene.cluster.close_door()
    found = doctors_line(scene)
    scene.cluster.open_door()
    assert found["state"] == "broken" and found["remedy"].startswith(
        "start it, or correct address of [cluster]"
    )


def test_a_lost_node_costs_no_epoch(scene: RayScene) -> None:
    scene.profile("[cluster.resources]\nsecond = 0.5\n")
    scene.behave(epoch_s=0.3)
    run = scene.start(scene.job(epochs=40, limits=LIMITS))
    until(lambda: len(scene.epochs()) > 2, process=run)
    scene.profile()
    scene.cluster.kill_second()
    assert run.wait() == 0, scene.said()
    assert "retry 1 of 2" in scene.said()
    assert set(scene.epochs()) == set(range(40)) and len(scene.jobs()) == 2
