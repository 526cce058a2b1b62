"""Two boxes with one history in PostgreSQL: a run of one is seen from the other, ended, and taken over."""

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from blut_resources.boxes.beats import LIMIT
from blut_resources.boxes.takeover import SUPERSEDED
from tests import elsewhere
from tests.boxes.box import Box, signal_all
from tests.conftest import REPOSITORY
from tests.databases import Server
from tests.e2e.box import BLUT
from tests.e2e.scene import PATIENCE_S, Scene, until

pytestmark = [pytest.mark.postgres, pytest.mark.e2e]
EPOCHS = 4


@pytest.fixture
def scene(tmp_path: Path, server: Server) -> Iterator[Scene]:
    elsewhere.demand()
    made = Scene(tmp_path / "scene")
    made.env |= {"BLUT_DATABASE": server.database(), "BLUT_COOKBOOKS": "contained"}
    yield made
    made.close()


@pytest.fixture
def away(scene: Scene, tmp_path: Path) -> Iterator[Box]:
    """Another box, on which a training is at work."""
    scene.behave(gate=str(scene.root / "gate"), gate_at=2)
    yield Box(tmp_path / "a", "boxa")


def blut(scene: Scene, *words: str) -> tuple[int, str]:
    """What a command says here, and its status."""
    scene.root.joinpath("said").unlink(missing_ok=True)
    status = scene.run([*BLUT, *words])
    return status, scene.said()


def test_a_run_of_another_box_is_seen_and_ended_from_here(scene: Scene, away: Box) -> None:
    working = away.start(scene.recipe(epochs=EPOCHS), scene.environment(), REPOSITORY)
    try:
        until(lambda: scene.happened("epoch-1 "), process=working)
        _, said = blut(scene, "jobs", "--json")
        (row,) = json.loads(said[said.index("[") :])
        assert row["state"] == "started" and row["where"].startswith("on boxa, last seen "), said
        _, said = blut(scene, "jobs")
        assert "started (on boxa, last seen " in said
        status, said = blut(scene, "cache", "prune", "--unknown")
        assert status == 1 and "boxa" in said
        status, said = blut(scene, "doctor")
        assert "box boxa" in said
        status, said = blut(scene, "cancel", row["id"])
        assert status == 0 and "boxa has ended it" in said, said
        assert working.wait(PATIENCE_S) != 0
    finally:
        if working.poll() is None:
            signal_all(working.pid, signal.SIGKILL)
        working.communicate()
    _, said = blut(scene, "jobs")
    assert "cancel" in said and "last seen" not in said


@pytest.mark.heavy
def test_a_box_that_was_away_for_too_long_is_fenced(scene: Scene, away: Box) -> None:
    scene.env[LIMIT] = "4s"
    working = away.start(scene.recipe(epochs=EPOCHS), scene.environment(), REPOSITORY)
    try:
        until(lambda: scene.happened("epoch-1 "), process=working)
        time.sleep(1)  # its checkpoint is whole
        signal_all(working.pid, signal.SIGSTOP)
        (scene.root / "gate").touch()
        time.sleep(5)
        _, said = blut(scene, "jobs")
        assert "its machine boxa has not been seen for 4 s" in said, said
        status, said = blut(scene, *scene.recipe(epochs=EPOCHS)[len(BLUT) :])
        assert status == 0, said
        made = scene.versions()
        signal_all(working.pid, signal.SIGCONT)
        told, _ = working.communicate(timeout=PATIENCE_S)
        assert working.returncode != 0 and ("has taken over" in told or "marked as ended" in told), told
    finally:
        if working.poll() is None:
            signal_all(working.pid, signal.SIGKILL)
        working.wait()
    assert scene.versions() == made and scene.lost() == 0
    assert list((scene.home / "store" / "work").glob(f"*/{SUPERSEDED}"))
    assert [line.split()[0] for line in scene.log.read_text().splitlines()].count("epoch-0") == 1, "resumed"
