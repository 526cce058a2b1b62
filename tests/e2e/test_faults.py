"""A process is killed at a named point; one plain run of the same command ends as if nothing had happened.

The points are in ``tests/faults/sitecustomize.py``, which stands first on the PYTHONPATH of the run that is
hurt: at every boundary of a stage, in the checkpoint, in the store, in the event log, at each lock.
"""

import json
import os
import signal

import pytest

from tests.aftermath import Row, note
from tests.conftest import REPOSITORY
from tests.e2e.scene import PATIENCE_S, Scene, alive, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

IN_THE_PAYLOAD = [
    *("before the payload starts", "after the payload starts"),
    *("before the checkpoint's rename", "after the checkpoint's rename"),
    *("before an epoch is reported", "after an epoch is reported"),
    *("before done", "after done"),
]
IN_BETWEEN = [
    *("after the payload starts", "before the checkpoint's rename"),
    *("after an epoch is reported", "after done"),
]
IN_THE_RUN = [
    *("before the run shows as started", "after the run shows as started"),
    *("before the lock", "after the lock"),
    *("before the lease is taken", "after the lease is taken"),
    *("before the unit starts", "after the unit waits for its go", "after the unit starts"),
    *("before the store takes the result", "before the data moves in", "after the data moves in"),
    *("before the artifact appears", "after the artifact appears", "after the store takes the result"),
    *("before the work goes", "after the work goes"),
]
COMMITS = [
    ("before a commit of raw's event", 1),
    ("after a commit of raw's event", 2),
    ("before a commit of the training's event", 1),
    ("after a commit of the training's event", 1),
    ("before a commit of the training's event", 2),
    ("after a commit of the training's event", 2),
    ("before a commit of the last event", 1),
    ("after a commit of the last event", 2),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The data versions of a run to which nothing happened."""
    scene = Scene(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert scene.run(scene.quick()) == 0
    return scene.versions()


def hurt(scene: Scene, at: str, victim: str = "self", nth: int = 1, number: int = signal.SIGKILL) -> None:
    """Run the command until it is struck, and all that it started has ended."""
    fault = {"at": at, "victim": victim, "nth": nth, "number": number, "fired": str(scene.root / "fired")}
    paths = os.pathsep.join([str(REPOSITORY / "tests" / "faults"), scene.env["PYTHONPATH"]])
    process = scene.start(scene.quick(), BLUT_FAULT=json.dumps(fault), PYTHONPATH=paths)
    if number == signal.SIGSTOP:
        until((scene.root / "fired").exists, process=process)
        process.kill()
    assert process.wait(PATIENCE_S) != 0
    assert (scene.root / "fired").exists(), scene.said()
    until(lambda: not scene.held())


def recover(scene: Scene, undisturbed: dict[str, str], fault: str) -> None:
    """Run the same command again, once."""
    left = sum(alive(pid) for path in scene.pids_of.iterdir() for pid in map(int, path.read_text().split()))
    assert left == 0
    scene.verify()
    assert scene.unfinished() == []
    assert scene.run(scene.quick()) == 0, scene.said()
    assert scene.versions() == undisturbed
    assert scene.unfinished() == [] and scene.held() == []
    scene.verify()
    note(Row(f"SIGKILL {fault}", "auto", "SUCCESS of the next run", left, scene.lost(), None))


@pytest.mark.parametrize(
    ("at", "victim"),
    [
        *((at, "self") for at in IN_THE_PAYLOAD[::2]),
        *(pytest.param(at, "self", marks=pytest.mark.heavy) for at in IN_THE_PAYLOAD[1::2]),
        *((at, "tree") for at in IN_BETWEEN),
        *(pytest.param(at, "run", marks=pytest.mark.heavy) for at in IN_BETWEEN),
    ],
)
def test_killed_in_the_payload(scene: Scene, undisturbed: dict[str, str], at: str, victim: str) -> None:
    hurt(scene, at, victim, nth=2 if "checkpoint" in at or "epoch" in at else 1)
    recover(scene, undisturbed, f"{at} ({'payload' if victim == 'self' else victim})")


@pytest.mark.parametrize(
    "at", [*IN_THE_RUN[::2], *(pytest.param(at, marks=pytest.mark.heavy) for at in IN_THE_RUN[1::2])]
)
def test_killed_in_the_run(scene: Scene, undisturbed: dict[str, str], at: str) -> None:
    hurt(scene, at)
    recover(scene, undisturbed, at)


# of SQLite's two databases an event may be in one only; a PostgreSQL has it with one commit
TWICE = [pytest.param(at, nth, marks=[pytest.mark.sqlite] if nth > 1 else []) for at, nth in COMMITS]


@pytest.mark.parametrize(("at", "nth"), TWICE)
def test_killed_in_the_event_log(scene: Scene, undisturbed: dict[str, str], at: str, nth: int) -> None:
    hurt(scene, at, nth=nth)
    recover(scene, undisturbed, f"{at} ({nth}.)")


@pytest.mark.parametrize("at", ["before the checkpoint's rename", "before a commit of the training's event"])
def test_stopped_and_then_killed(scene: Scene, undisturbed: dict[str, str], at: str) -> None:
    """A stopped payload does not react to SIGTERM, a stopped run keeps the database locked."""
    hurt(scene, at, number=signal.SIGSTOP)
    recover(scene, undisturbed, f"when stopped {at}")
