"""Two homes on one store: what one has computed the other does not compute again, and knows whose it is."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from tests.databases import shipped
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until

pytestmark = [pytest.mark.e2e]


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "scene")
    scene.env["BLUT_STORE"] = str(tmp_path / "store")
    yield scene
    scene.close()


def moved_to(scene: Scene, name: str) -> Path:
    """From now on the scene is of another home."""
    home = scene.root / name
    if not home.exists():
        home.mkdir()
        (home / "dagster.yaml").write_text(shipped())
    scene.home, scene.env["DAGSTER_HOME"] = home, str(home)
    return home


def blut(scene: Scene, *words: str) -> str:
    done = scene.blut(*words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def newest(scene: Scene) -> str:
    return json.loads(blut(scene, "jobs", "--json"))[0]["id"]


def test_a_hit_says_whose_it_is_and_brings_its_metrics(scene: Scene) -> None:
    assert scene.run(scene.recipe(epochs=3)) == 0
    first, origin = scene.home, newest(scene)
    theirs = json.loads(blut(scene, "results", origin, "--json"))
    moved_to(scene, "second")
    planned = blut(scene, *scene.recipe(epochs=3)[len(BLUT) :], "--dry-run")
    assert f"run {origin[:8]} of " in planned and f"@{os.uname().nodename} in {first}" in planned

    shutil.rmtree(first)  # the clone that trained is deleted
    moved = scene.root / "moved"
    shutil.move(scene.env["BLUT_STORE"], moved)
    scene.env["BLUT_STORE"] = str(moved)
    said = blut(scene, *scene.recipe(epochs=3)[len(BLUT) :])
    assert "0 computed, 2 reused" in said and str(first) in said and scene.starts() == 1
    run = newest(scene)
    ours = json.loads(blut(scene, "results", run, "--json"))
    assert ours["metrics"] == theirs["metrics"]
    digests = [{one["asset"]: one["digest"] for one in of["artifacts"]} for of in (ours, theirs)]
    assert digests[0] == digests[1]
    assert (
        str(first) in manifest.read(manifest_path(scene.home, run))["assets"]["contained/trained"]["made_by"]
    )
    assert scene.metadata()["origin_run"] == origin and str(first) in scene.metadata()["made_by"]
    assert str(first) in blut(scene, "cache", "show", "--all")
    assert str(first) in blut(scene, "lineage", digests[0]["contained/trained"])


@pytest.mark.heavy
def test_two_homes_at_once_train_once_and_the_second_says_for_whom_it_waits(scene: Scene) -> None:
    gate = scene.root / "gate"
    scene.behave(gate=str(gate))
    first_home = scene.home
    first = scene.start(scene.recipe(epochs=3))
    until(lambda: scene.happened("epoch-0 "), process=first)
    moved_to(scene, "second")
    second = scene.start(scene.recipe(epochs=3))
    until(lambda: f"in {first_home}, which computes the same" in scene.said(), process=second)
    gate.touch()
    assert first.wait() == second.wait() == 0 and scene.starts() == 1
    assert "0 computed, 2 reused" in scene.said()


@pytest.mark.heavy
def test_a_home_that_died_in_the_middle_leaves_its_checkpoint_to_the_other(scene: Scene) -> None:
    scene.behave(hang=True)
    first = scene.start(scene.recipe(epochs=3))
    until(lambda: scene.happened("epoch-2 "), process=first)
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    scene.behave()
    moved_to(scene, "second")
    assert scene.run(scene.recipe(epochs=3)) == 0
    assert scene.happened("resumed-at-3")
