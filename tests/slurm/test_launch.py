"""A payload that is a job: what it makes, how it ends, and that all of it is told as of any other."""

import json
from pathlib import Path

from tests.e2e.scene import Scene
from tests.slurm.scene import SlurmScene

LIMITS = {"memory_max": "200M"}


def test_a_job_makes_what_this_machine_makes_and_is_submitted_once(scene: SlurmScene, tmp_path: Path) -> None:
    here = Scene(tmp_path / "here")
    assert here.run(here.recipe()) == 0
    assert scene.run(scene.job(limits=LIMITS)) == 0, scene.said()
    assert scene.versions() == here.versions()
    assert scene.submitted() == 1 and scene.epochs() == [0, 1, 2]
    shown = scene.metadata()
    assert (
        shown["launcher"] == "cluster" and shown["node"] in ("n1", "n2", "n3") and shown["job_id"].isdigit()
    )
    assert shown["containment"].startswith("cgroup") or scene.cluster.mode == "plain"
    assert shown["queue_seconds"] > 0
    assert f"queued {shown['queue_seconds']:.1f} s" in scene.said(), "apart from what it cost"
    (run,) = scene.home.glob("runs/*/manifest.json")
    told = f"job {shown['job_id']} of cluster on {shown['node']}, queued {shown['queue_seconds']:.1f} s,"
    assert told in scene.blut("results", run.parent.name).stdout
    assert not list((scene.home / "store" / "work").glob("*/unit*")), "nothing is left"
    assert scene.held() == []
    assert scene.run(scene.job(limits=LIMITS)) == 0
    assert scene.submitted() == 1, "a result that is there is nothing to submit"


def test_what_it_reports_is_recorded_as_of_a_payload_here(scene: SlurmScene) -> None:
    assert scene.run(scene.job(epochs=4, limits=LIMITS)) == 0, scene.said()
    (stream,) = scene.home.glob("runs/*/status.jsonl")
    events = [json.loads(line) for line in stream.read_text().splitlines()]
    (started,) = [event for event in events if event["kind"] == "payload_started"]
    assert started["launched"]["job_id"] and started["memory_max"] == 200 << 20
    assert [event["epoch"] for event in events if event["kind"] == "epoch"] == [0, 1, 2, 3]
    assert [event["epoch"] for event in events if event["kind"] == "checkpoint"] == [1, 2, 3, 4]
