"""A run that has to be over by a certain time ends with a checkpoint, and the same command goes on."""

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.machine.memory import memory
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from tests.e2e.box import BLUT
from tests.e2e.scene import PROMISED_S, Scene, until

pytestmark = [pytest.mark.e2e]
LATE = 124


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    scene = Scene(tmp_path / "scene")
    yield scene
    scene.close()


def newest(scene: Scene) -> dict[str, str]:
    return json.loads(scene.blut("jobs", "--json").stdout)[0]


def test_a_run_ends_at_its_deadline_with_a_checkpoint_and_the_same_command_goes_on(scene: Scene) -> None:
    scene.behave(epoch_s=0.7)
    command = scene.recipe(epochs=9, deadline="3s")
    assert scene.run(command) == LATE
    assert "ended at its deadline" in scene.said() and "FAILED" not in scene.said()
    job = newest(scene)
    assert job["state"] == "deadline" and "3s" in job["progress"]
    assert "has ended already: deadline" in scene.blut("cancel", job["id"]).stdout
    known = manifest.read(manifest_path(scene.home, job["id"]))
    assert known["outcome"] == "deadline"
    assert known["assets"]["contained/trained"]["cause"] == "deadline"
    done = scene.epochs()
    assert done and not scene.held()

    scene.behave()
    over = scene.blut(*scene.recipe(epochs=9, deadline="0.001s")[len(BLUT) :])
    assert over.returncode == LATE and scene.starts() == 0  # nothing begins after it
    assert scene.run(scene.recipe(epochs=9)) == 0
    assert scene.happened(f"resumed-at-{done[-1] + 1}")
    assert newest(scene)["state"] == "success"


@pytest.mark.heavy
def test_who_waits_for_a_lease_or_for_another_run_waits_until_the_deadline(scene: Scene) -> None:
    scene.env["BLUT_MEMORY_RESERVE"] = str(memory().total - (1 << 30))
    scene.env["TRAINS_FOOTPRINT"] = "614M"
    gate = scene.root / "gate"
    scene.behave(gate=str(gate))
    first = scene.start(scene.recipe(epochs=3))
    until(lambda: scene.happened("epoch-0 "), process=first)
    for epochs in (4, 3):  # another thing, that needs the memory; and the same thing
        begun = time.monotonic()
        late = scene.blut(*scene.recipe(epochs=epochs, deadline="1s")[len(BLUT) :])
        assert late.returncode == LATE and time.monotonic() - begun < PROMISED_S, late.stderr
        assert newest(scene)["state"] == "deadline"
    assert not scene.waiting()
    gate.touch()
    assert first.wait() == 0 and scene.starts() == 1


def test_a_date_that_has_passed_is_refused_before_the_run(scene: Scene) -> None:
    late = scene.blut(*scene.recipe(deadline="2020-01-01T07:30")[len(BLUT) :])
    assert late.returncode == 2 and "'2020-01-01T07:30': has passed" in late.stderr
