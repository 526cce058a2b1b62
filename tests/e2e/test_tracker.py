"""A tracker that stands still holds up nobody who ends a training, and is told of it by the next command."""

import os
import signal
import time
from pathlib import Path

import pytest

from blut_resources.machine.processes import descendants
from blut_resources.runs import order, status
from blut_resources.runs.files import status_path
from tests.e2e.scene import PATIENCE_S, Scene, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
FAKE = "import time\ndef init(**_): time.sleep(300)\nclass Settings:\n def __init__(self, **_): pass\n"


def sinks(scene: Scene) -> list[int]:
    """Those that tell of runs in its home."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if b"blut_resources.runs.sink" in words and os.fsencode(scene.home) in words:
            found.append(int(path.parent.name))
    return found


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGINT,
        pytest.param(signal.SIGTERM, marks=pytest.mark.heavy),
        pytest.param(signal.SIGHUP, marks=pytest.mark.heavy),
        pytest.param(signal.SIGKILL, marks=pytest.mark.heavy),
    ],
)
def test_who_ends_a_training_does_not_wait_for_its_tracker(scene: Scene, number: signal.Signals) -> None:
    (scene.root / "fake").mkdir()
    (scene.root / "fake" / "wandb.py").write_text(FAKE)
    fake = os.pathsep.join([str(scene.root / "fake"), scene.env["PYTHONPATH"]])
    scene.behave(gate=str(scene.root / "gate"), gate_at=1)
    process = scene.start(scene.recipe(epochs=5), PYTHONPATH=fake, BLUT_LOGGER="wandb", WANDB_MODE="online")
    until(lambda: scene.happened("epoch-1 "), process=process)
    (sink,) = until(lambda: sinks(scene), process=process)
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == (-9 if number == signal.SIGKILL else 130), scene.said()
    assert time.monotonic() - began < 10
    until(lambda: not scene.held())
    for pid in (sink, *descendants(sink)):  # it has a minute
        os.kill(pid, signal.SIGKILL)
    until(lambda: not sinks(scene))
    (run,) = scene.home.glob("runs/*")
    told = until(lambda: scene.blut("jobs")).stderr
    epochs = [e["epoch"] for e in status.read(status_path(scene.home, run.name)) if e["kind"] == "epoch"]
    assert epochs == [0, 1]
    assert f"contained/trained of run {run.name[:8]}: all its 2 epochs are in {run}/wandb/" in told
    assert not order.kept(scene.home)
