"""Two boxes with one store, one command: who is gone for too long is taken over from, and notices."""

import signal
import time
from pathlib import Path

import pytest

from blut_resources.boxes.beats import LIMIT
from blut_resources.boxes.takeover import SUPERSEDED
from tests import elsewhere
from tests.boxes.box import Box, signal_all
from tests.conftest import REPOSITORY
from tests.e2e.scene import PATIENCE_S, Scene, until

pytestmark = [pytest.mark.e2e, pytest.mark.heavy]
EPOCHS = 4


@pytest.fixture
def shared(tmp_path: Path) -> Scene:
    """A scene whose store another history uses as well."""
    elsewhere.demand()
    scene = Scene(tmp_path / "scene")
    scene.env |= {"BLUT_STORE": str(tmp_path / "store"), LIMIT: "3s"}
    return scene


def undisturbed(tmp_path: Path) -> str:
    """The digest of the training where nothing happens."""
    scene = Scene(tmp_path / "quiet")
    try:
        assert scene.run(scene.recipe(epochs=EPOCHS)) == 0, scene.said()
        return scene.versions()["trained"]
    finally:
        scene.close()


@pytest.mark.parametrize("fate", [signal.SIGSTOP, signal.SIGKILL])
def test_a_training_goes_on_elsewhere_from_its_checkpoint(
    shared: Scene, tmp_path: Path, fate: signal.Signals
) -> None:
    box = Box(tmp_path / "a", "boxa")
    gate = shared.root / "gate"
    shared.behave(gate=str(gate), gate_at=2)
    env = {**shared.env, "DAGSTER_HOME": str(tmp_path / "home-a")}
    away = box.start(shared.recipe(epochs=EPOCHS), env, REPOSITORY)
    try:
        until(lambda: shared.happened("epoch-1 "), process=away)
        time.sleep(1)  # its checkpoint is whole
        signal_all(away.pid, fate)
        gate.touch()
        begun = time.monotonic()
        assert shared.run(shared.recipe(epochs=EPOCHS)) == 0, shared.said()
        assert time.monotonic() - begun > 3, "it was waited for until the limit"
        made = shared.versions()["trained"]
        (left,) = (tmp_path / "store" / "work").glob(f"*/{SUPERSEDED}")
        if fate is signal.SIGSTOP:
            signal_all(away.pid, signal.SIGCONT)
            said, _ = away.communicate(timeout=PATIENCE_S)
            assert away.returncode != 0 and "has taken over" in said, said
    finally:
        if away.poll() is None:
            signal_all(away.pid, signal.SIGKILL)
        away.wait()
        shared.close()
    assert shared.lost() == 0 and left.exists()
    assert made == undisturbed(tmp_path)
    assert [line.split()[0] for line in shared.log.read_text().splitlines()].count("epoch-0") == 1, "resumed"
