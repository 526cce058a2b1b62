"""Two containers on one volume, two machines on one disk: who looks does not end what it cannot see."""

import json
import os
import re
import sys
from pathlib import Path

import pytest

from tests import elsewhere
from tests.e2e.scene import PATIENCE_S, Scene, alive, until
from tests.e2e.test_after_death import READ

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
EPOCHS = 3


def looked(scene: Scene, scratch: Path, boot: str, *lines: str) -> dict[str, str]:
    """What commands say there, by command."""
    done = elsewhere.run([sys.executable, "-c", READ, *lines], scratch, boot=boot, env=scene.env)
    assert done.returncode == 0 and "Traceback" not in done.stdout, done.stdout + done.stderr
    return dict(part.split("\n", 1) for part in (done.stdout + done.stderr).split("$ ")[1:])


@pytest.mark.sqlite  # whose history one box alone writes
@pytest.mark.parametrize("on_orphan", ["kill", "adopt"])
def test_a_training_is_not_hurt_by_who_cannot_see_it(scene: Scene, tmp_path: Path, on_orphan: str) -> None:
    elsewhere.demand()
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=EPOCHS, limits={"on_orphan": on_orphan}))
    tree = scene.tree(process=process)
    until(lambda: scene.happened("epoch-1 "), process=process)
    with scene.instance() as instance:
        (run,) = [run.run_id for run in instance.get_runs()]
    for boot in ("same", "other"):
        prunes = ("cache prune --dry-run", "cache prune --dry-run --unknown")
        said = looked(scene, tmp_path / boot, boot, "jobs --json", f"results {run}", "doctor", *prunes)
        (row,) = json.loads(said["jobs --json"].rpartition("status")[0])
        assert row["state"] == "started" and re.fullmatch(r"on .+, last seen \d s ago", row["where"])
        assert all("status 1" in said[prune] for prune in prunes), said
        assert all(alive(pid) for pid in tree)
    (refused,) = looked(scene, tmp_path / "other", "other", f"cancel {run}").values()
    assert f"{os.uname().nodename} alone writes it" in refused and "status 1" in refused
    assert all(alive(pid) for pid in tree)
    (scene.root / "gate").touch()
    assert process.wait(PATIENCE_S) == 0, scene.said()
    assert scene.starts() == 1 and scene.epochs() == list(range(EPOCHS))
    scene.verify()


def test_a_dead_run_is_marked_by_who_knows_that_it_is_dead(scene: Scene, tmp_path: Path) -> None:
    """From another boot of another machine nobody can tell; from another container its lock is seen."""
    elsewhere.demand()
    scene.behave(gate=str(scene.root / "gate"), gate_at=0)
    process = scene.start(scene.recipe(epochs=EPOCHS))
    scene.tree(process=process)
    process.kill()
    process.wait()
    until(lambda: not scene.held())
    with scene.instance() as instance:
        (run,) = [run.run_id for run in instance.get_runs()]
    said = looked(scene, tmp_path / "other", "other", "jobs --json")
    (row,) = json.loads(said["jobs --json"].rpartition("status")[0])
    assert row["state"] == "started", "it may live on that machine"
    said = looked(scene, tmp_path / "same", "same", "jobs --json", f"results {run}")
    (row,) = json.loads(said["jobs --json"].rpartition("status")[0])
    assert row["state"] == "failure"
    assert "The process of this run died" in said[f"results {run}"]


def test_a_container_beside_it_ends_a_run_by_asking(scene: Scene, tmp_path: Path) -> None:
    elsewhere.demand()
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=EPOCHS))
    scene.tree(process=process)
    until(lambda: scene.happened("epoch-1 "), process=process)
    with scene.instance() as instance:
        (run,) = [run.run_id for run in instance.get_runs()]
    (said,) = looked(scene, tmp_path / "same", "same", f"cancel {run}").values()
    assert f"{os.uname().nodename} has ended it" in said and "status 0" in said, said
    assert process.wait(PATIENCE_S) != 0
    assert scene.status(run) == "CANCELED" and not scene.held()
