"""A training that outlives its run: the next run of the same command takes it over."""

import os
import signal
import time
from pathlib import Path

import pytest

from blut_resources.machine.processes import start_time
from tests.aftermath import Row, note
from tests.e2e.scene import PATIENCE_S, Scene, alive, until
from tests.forked import Forked

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
EPOCHS = 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    scene = Scene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert scene.run(scene.recipe(epochs=EPOCHS)) == 0
    return scene.versions()


def command(scene: Scene, on_orphan: str = "adopt", **limits: str) -> list[str]:
    return scene.recipe(epochs=EPOCHS, limits={"on_orphan": on_orphan, **limits})


def orphaned(scene: Scene, **limits: str) -> list[int]:
    """A training behind its third epoch, the run of which is dead; it waits for the gate."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    process = scene.start(command(scene, **limits))
    tree = scene.tree(process=process)
    until(lambda: scene.happened("epoch-2 "), process=process)
    until(scene.heard, process=process)
    process.kill()
    process.wait()
    assert all(alive(pid) for pid in tree)
    assert scene.held() == ["contained/trained"], "what it uses stays taken"
    assert scene.unfinished() == [] and scene.status() == "FAILURE"
    return tree


def supervisor_of(payload: int) -> int:
    return int(Path(f"/proc/{payload}/stat").read_text().rpartition(")")[2].split()[1])


def go_on(scene: Scene) -> None:
    (scene.root / "gate").touch()


def taken_over(scene: Scene, process: Forked) -> None:
    until(lambda: "taken over from a run that died" in scene.said(), process=process)


def finish(scene: Scene, process: Forked, undisturbed: dict[str, str]) -> None:
    assert process.wait(PATIENCE_S) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.held() == []
    scene.verify()


@pytest.mark.parametrize("backend", ["auto", "none"])
def test_the_next_run_takes_it_over_and_no_epoch_is_seen_twice(
    scene: Scene, undisturbed: dict[str, str], backend: str
) -> None:
    tree = orphaned(scene, containment=backend)
    time.sleep(float(scene.env["BLUT_GRACE_S"]) + 1)
    assert all(alive(pid) for pid in tree)
    process = scene.start(command(scene, containment=backend))
    taken_over(scene, process)
    go_on(scene)
    finish(scene, process, undisturbed)
    assert scene.starts() == 1
    assert scene.epochs() == list(range(EPOCHS))
    note(Row("SIGKILL, adopted by the next run", backend, scene.status(), 0, scene.lost(), None))


def test_it_may_have_finished_meanwhile(scene: Scene, undisturbed: dict[str, str]) -> None:
    tree = orphaned(scene)
    go_on(scene)
    until(lambda: not alive(tree[0]))
    until(lambda: scene.held() == [])
    finish(scene, scene.start(command(scene)), undisturbed)
    assert scene.starts() == 1
    assert scene.epochs() == list(range(EPOCHS))
    assert scene.metadata()["peak_memory_bytes"] > 0


def test_a_second_owner_may_die_as_well(scene: Scene, undisturbed: dict[str, str]) -> None:
    orphaned(scene)
    second = scene.start(command(scene))
    taken_over(scene, second)
    second.kill()
    second.wait()
    third = scene.start(command(scene))
    until(lambda: scene.said().count("taken over from a run that died") == 2, process=third)
    go_on(scene)
    finish(scene, third, undisturbed)
    assert scene.starts() == 1
    assert scene.epochs() == list(range(EPOCHS))


@pytest.mark.heavy
def test_a_run_that_says_nothing_of_adoption_takes_it_over_too(
    scene: Scene, undisturbed: dict[str, str]
) -> None:
    """Two trainings in one work directory would be worse."""
    orphaned(scene)
    process = scene.start(scene.recipe(epochs=EPOCHS))
    taken_over(scene, process)
    go_on(scene)
    finish(scene, process, undisturbed)
    assert scene.starts() == 1


def test_cancelling_the_run_that_took_it_over_ends_it(scene: Scene) -> None:
    tree = orphaned(scene)
    process = scene.start(command(scene))
    taken_over(scene, process)
    (run,) = scene.unfinished()
    assert "is cancelled" in scene.blut("cancel", run).stdout
    assert process.wait(PATIENCE_S) == 130
    assert not any(alive(pid) for pid in tree)
    assert scene.status(run) == "CANCELED" and scene.held() == []
    assert scene.happened("saved"), "it had time to write its checkpoint"


def test_what_died_without_its_run_is_started_again(scene: Scene, undisturbed: dict[str, str]) -> None:
    """Its failure is nobody's news: one plain run of the command must do."""
    (payload,) = orphaned(scene)
    os.kill(payload, signal.SIGKILL)
    until(lambda: scene.held() == [])
    scene.behave()
    finish(scene, scene.start(command(scene)), undisturbed)
    assert scene.starts() == 1 and scene.happened("resumed-at-3 ")
    assert "what a dead run left ended without it: killed by SIGKILL" in scene.said()
    assert sorted(set(scene.epochs())) == list(range(EPOCHS))


def test_supervisor_and_payload_may_die_as_well(scene: Scene, undisturbed: dict[str, str]) -> None:
    (payload,) = orphaned(scene)
    os.kill(supervisor_of(payload), signal.SIGKILL)
    until(lambda: start_time(payload) is None)
    scene.behave()
    finish(scene, scene.start(command(scene)), undisturbed)
    assert scene.happened("resumed-at-3 ")


def test_another_order_ends_what_the_dead_run_left(scene: Scene, undisturbed: dict[str, str]) -> None:
    """Same fingerprint, but told to do it in another way."""
    tree = orphaned(scene)
    scene.behave()
    limits = {"on_orphan": "adopt"}
    process = scene.start(scene.recipe(epochs=EPOCHS, word="another", limits=limits))
    finish(scene, process, undisturbed)
    assert not any(alive(pid) for pid in tree)
    assert scene.starts() == 1 and scene.happened("resumed-at-3 ")
    assert "what a dead run left has to end first" in scene.said()


def test_its_run_may_die_after_the_last_word(scene: Scene, undisturbed: dict[str, str]) -> None:
    """The facts of the result were told to the first run, and are needed by the second."""
    scene.behave(gate_at_end=str(scene.root / "gate"))
    process = scene.start(command(scene))
    until(lambda: scene.happened("end "), process=process)
    until(scene.heard, process=process)
    process.kill()
    process.wait()
    second = scene.start(command(scene))
    taken_over(scene, second)
    go_on(scene)
    finish(scene, second, undisturbed)
    assert scene.starts() == 1
    assert scene.epochs() == list(range(EPOCHS))


@pytest.mark.parametrize("who", ["payload", "payload and supervisor"])
def test_half_a_result_of_a_dead_attempt_is_in_no_artifact(
    scene: Scene, undisturbed: dict[str, str], who: str
) -> None:
    """The directory of the result is the same for every attempt that may be adopted."""
    scene.behave(hang=True, litter=True)
    process = scene.start(command(scene))
    until(lambda: scene.happened(f"epoch-{EPOCHS - 1} "), process=process)
    (payload,) = scene.tree(process=process)
    process.kill()
    if "supervisor" in who:
        os.kill(supervisor_of(payload), signal.SIGKILL)
    else:
        os.kill(payload, signal.SIGKILL)
    process.wait()
    until(lambda: scene.held() == [])
    scene.behave()
    finish(scene, scene.start(command(scene)), undisturbed)
