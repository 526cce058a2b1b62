"""A database that stops in the middle of a training: for a while, and for good."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.runs import status
from blut_resources.runs.files import status_path
from tests.databases import Server, running
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until
from tests.forked import Forked

pytestmark = [pytest.mark.postgres, pytest.mark.e2e]


EPOCH = "ASSET_OBSERVATION"


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Server]:
    """A server that only this test has, and may stop."""
    for above in (tmp_path, *list(tmp_path.parents)[:3]):
        above.chmod(0o755)
    with running(tmp_path / "server") as server:
        yield server


@pytest.fixture
def scene(tmp_path: Path, own: Server) -> Iterator[Scene]:
    scene = Scene(tmp_path / "scene")
    scene.env |= {"BLUT_DATABASE": own.database(), "BLUT_COOKBOOKS": "contained"}
    yield scene
    scene.close()


def train(scene: Scene, **how: object) -> Forked:
    scene.behave(epoch_s=0.1, **how)
    args = json.dumps({"epochs": 60})
    process = scene.start([*BLUT, "recipe", "run", "contained", "--args", args])
    until(lambda: "epoch-3 " in scene.log.read_text(), process=process)
    return process


def run_of(scene: Scene) -> dg.DagsterRun:
    with dg.DagsterInstance.from_config(str(scene.home)) as instance:
        return instance.get_runs(limit=1)[0]


def said_of(scene: Scene, run: dg.DagsterRun) -> list[str]:
    """The events of the training, in the order in which they were stored."""
    with dg.DagsterInstance.from_config(str(scene.home)) as instance:
        logs = instance.all_logs(run.run_id)
    return [e.dagster_event.event_type_value for e in logs if e.dagster_event and e.step_key]


@pytest.mark.parametrize("seconds", [5.0, pytest.param(60.0, marks=pytest.mark.heavy)])
def test_a_training_outlives_it(seconds: float, own: Server, scene: Scene) -> None:
    process = train(scene)
    own.stop()
    before = scene.log.read_text().count("epoch-")
    time.sleep(min(seconds, 3.0))
    during = scene.log.read_text().count("epoch-")
    assert during > before + 5, "the payload waits for the database"
    time.sleep(max(0.0, seconds - 3.0))
    own.start()
    assert process.wait(timeout=120) == 0, (scene.root / "said").read_text()
    said = (scene.root / "said").read_text()
    assert "does not answer" in said and "answers again" in said
    run = run_of(scene)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    epochs = [e["epoch"] for e in status.read(status_path(scene.home, run.run_id)) if e["kind"] == "epoch"]
    assert epochs == list(range(60))
    scene.behave()
    undisturbed = scene.start([*BLUT, "recipe", "run", "contained", "--args", '{"epochs": 61}'])
    assert undisturbed.wait(timeout=60) == 0
    told, expected = said_of(scene, run), said_of(scene, run_of(scene))
    assert told.count(EPOCH) == 60 and expected.count(EPOCH) == 61
    expected.remove(EPOCH)
    assert told == expected, "events are missing, twice there, or mixed up"


def test_without_it_for_good_the_run_ends_with_the_reason_and_its_checkpoint(
    own: Server, scene: Scene
) -> None:
    scene.env["BLUT_DATABASE_WAIT"] = "2s"
    process = train(scene)
    own.stop()
    assert process.wait(timeout=60) == 1
    said = (scene.root / "said").read_text()
    assert "does not answer" in said.strip().splitlines()[-1], said
    assert "Traceback" not in said
    until(lambda: "saved" in scene.log.read_text())
    own.start()
    done = scene.start([*BLUT, "jobs"])
    assert done.wait(timeout=60) == 0
    assert "does not answer" in (scene.root / "said").read_text()
    assert run_of(scene).status is dg.DagsterRunStatus.FAILURE
    scene.behave()
    process = scene.start([*BLUT, "recipe", "run", "contained", "--args", '{"epochs": 60}'])
    assert process.wait(timeout=60) == 0
    resumed = [line for line in scene.log.read_text().splitlines() if line.startswith("resumed-at-")]
    assert len(resumed) == 1 and not resumed[0].startswith("resumed-at-0 "), "its checkpoint is gone"
