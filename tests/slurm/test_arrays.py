"""What befalls a job of an array is of its trial alone: that goes on or ends, and the others hear nothing."""

import json
import signal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.stages import reuse
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until
from tests.slurm.scene import SlurmScene
from tests.slurm.test_nodes import begin_again, node_of

LEAST, TRIALS, MANY = 4, 3, 6
RESUMED = "resumed-at-2 "
"""What a training says that goes on behind the gate."""


def sweep(launcher: str = "cluster", trials: int = TRIALS) -> list[str]:
    axis = f"epochs=range({LEAST},{LEAST + trials})"
    how = ["--jobs", str(trials), "--set", f"launcher={launcher}"]
    return [*BLUT, "recipe", "run", "contained", "--sweep", axis, *how]


def at_gate(scene: SlurmScene, trials: int = TRIALS, **how: Any) -> Any:
    """A sweep whose trials are one array, and wait behind their second epoch."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=1, **how)
    process = scene.start(sweep(trials=trials))
    until(lambda: said(scene, "epoch-1 ") == trials, process=process)
    assert len(places(scene)) == trials and scene.submitted() == 1, scene.said()
    return process


def said(scene: SlurmScene, word: str) -> int:
    """How many trainings have said that."""
    return sum(line.startswith(word) for line in scene.log.read_text().splitlines())


def places(scene: SlurmScene) -> dict[str, Path]:
    """The place of each job, by its id."""
    return {str(json.loads(path.read_text())["job"]): path.parent for path in scene.home.rglob("job.json")}


def progress(scene: SlurmScene) -> list[str]:
    (record,) = scene.home.glob("sweeps/*")
    listed = scene.blut("jobs", "--json", "--sweep", record.name).stdout
    return [str(run["progress"]) for run in json.loads(listed)]


def models(scene: Scene) -> set[str]:
    """The digest of each training that there is."""
    with scene.instance() as instance:
        records = instance.fetch_materializations(dg.AssetKey(["contained", "trained"]), limit=100).records
        return {reuse.digest_of(one.asset_materialization) for one in records if one.asset_materialization}


def test_lost_nodes_and_requeues_cost_no_epoch_and_no_other_trial_anything(
    scene: SlurmScene, tmp_path: Path
) -> None:
    process = at_gate(scene)
    jobs = list(places(scene))
    lost = node_of(scene, jobs[0])
    there = [job for job in jobs if node_of(scene, job) == lost]
    scene.cluster.cut_node(lost)
    for job in there:
        begin_again(scene, job)
    until(lambda: said(scene, RESUMED) == len(there), process=process)
    until(lambda: not any("tests.payloads.trains" in line for line in scene.cluster.processes(lost)))
    (other, *_) = [job for job in jobs if job not in there]
    scene.cluster.run("scontrol", "requeue", other)
    until(lambda: any("requeued by slurm (restart 1)" in one for one in progress(scene)), process=process)
    begin_again(scene, other)
    until(lambda: said(scene, RESUMED) == len(there) + 1, process=process)
    (scene.root / "gate").touch()
    assert process.wait() == 0, scene.said()
    assert scene.submitted() == 1 and "retry" not in scene.said()
    assert scene.epochs() == sorted(n for k in range(TRIALS) for n in range(LEAST + k)), "none twice"
    here = Scene(tmp_path / "here")
    assert here.run(sweep("local")) == 0
    assert models(scene) == models(here)


@pytest.mark.heavy
def test_who_takes_longer_than_the_cluster_waits_is_cancelled_and_goes_on_from_its_checkpoint(
    scene: SlurmScene,
) -> None:
    """Slurm kills 5 seconds after it has asked, agent and all, whatever grace period there is."""
    scene.env["BLUT_GRACE_S"] = "60"
    process = at_gate(scene, last_words_s=30)
    job = next(iter(places(scene)))
    scene.cluster.run("scancel", job)
    until(lambda: said(scene, "stopped ") == 1, process=process)
    scene.cluster.until_job(job, "CANCELLED")
    (scene.root / "gate").touch()
    assert process.wait() == 1, scene.said()
    assert "the scheduler says CANCELLED" in scene.said() and "1 failed" in scene.said()
    assert not said(scene, "saved ")
    (record,) = scene.home.glob("sweeps/*")
    scene.behave()
    assert scene.run([*BLUT, "sweep", "resume", record.name[:8]]) == 0, scene.said()
    assert scene.starts() == 1 and scene.happened(RESUMED)


@pytest.mark.heavy
def test_what_a_dead_sweep_has_left_is_listed_ended_one_by_one_and_taken_over(scene: SlurmScene) -> None:
    process = at_gate(scene, MANY)
    process.send_signal(signal.SIGKILL)
    process.wait()
    jobs = set(places(scene))
    until(lambda: {one["job"] for one in orphans(scene)} == jobs)
    assert {one["state"] for one in orphans(scene)} == {"running"}
    ended = min(jobs)
    done = scene.blut("launch", "orphans", ended, "--cancel")
    assert done.returncode == 0 and done.stdout.count("asked to end") == 1, done.stderr
    until(lambda: said(scene, "saved ") == 1)
    until(lambda: {one["job"] for one in orphans(scene)} == jobs - {ended})
    process = scene.start(sweep(trials=MANY))
    until(lambda: not orphans(scene), process=process)  # more than may be on their way at once
    until(lambda: said(scene, RESUMED) == 1, process=process)
    (scene.root / "gate").touch()
    assert process.wait() == 0, scene.said()
    assert scene.starts() == MANY + 1 and scene.submitted() == 2 and orphans(scene) == []


def orphans(scene: SlurmScene) -> list[dict[str, str]]:
    return json.loads(scene.blut("launch", "orphans", "--json").stdout)
