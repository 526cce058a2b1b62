"""What a payload says when nobody listens: when it is stopped, when its run was killed or stands still."""

import itertools
import signal

import dagster as dg
import pytest

from blut_assets.history.failures import failure_of
from blut_resources.runs import manifest, metrics, status
from blut_resources.runs.files import manifest_path, metrics_files, status_path
from tests.e2e.scene import PATIENCE_S, Scene, until

pytestmark = [pytest.mark.e2e, pytest.mark.slow]
LAST = 99


def newest_run(scene: Scene) -> str:
    with scene.instance() as instance:
        return instance.get_runs(limit=1)[0].run_id


def epochs(scene: Scene, run: str) -> tuple[list[int], list[int]]:
    """Those in the stream of events and those in the table."""
    stream = [e["epoch"] for e in status.read(status_path(scene.home, run)) if e["kind"] == "epoch"]
    table = metrics.read(metrics_files(scene.home, run)["contained/trained"])
    return stream, [row["epoch"] for row in table]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_the_epoch_of_the_grace_period_is_kept(scene: Scene, number: signal.Signals) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=1, last_epoch=LAST)
    process = scene.start(scene.recipe(epochs=5))
    until(lambda: scene.happened("epoch-1 "), process=process)
    process.send_signal(number)
    assert process.wait(PATIENCE_S) == (-9 if number == signal.SIGKILL else 130), scene.said()
    until(lambda: not scene.held())
    run = newest_run(scene)
    assert scene.status() == "FAILURE"
    assert epochs(scene, run) == ([0, 1, LAST], [0, 1, LAST])
    known = manifest.read(manifest_path(scene.home, run))
    assert known["assets"]["contained/trained"]["epochs"] == 3
    assert known["outcome"] == ("killed" if number == signal.SIGKILL else "cancelled")


def test_dagsters_own_command_ends_when_its_terminal_goes(scene: Scene) -> None:
    scene.behave(gate=str(scene.root / "gate"), gate_at=0, last_epoch=LAST)
    process = scene.start(scene.materialize(epochs=5))
    until(lambda: scene.happened("epoch-0 "), process=process)
    process.send_signal(signal.SIGHUP)
    assert process.wait(PATIENCE_S) > 0, scene.said()
    with scene.instance() as instance:
        (run,) = instance.get_runs()
        assert run.is_finished and failure_of(instance, run.run_id).kind == "cancelled"
    until(lambda: not scene.held())
    assert scene.status() == "FAILURE"
    assert epochs(scene, run.run_id) == ([0, LAST], [0, LAST])


def test_an_epoch_has_the_time_at_which_it_ended(scene: Scene) -> None:
    """However late its run hears of it."""
    scene.behave(epoch_s=0.3, gate=str(scene.root / "gate"), gate_at=0)
    process = scene.start(scene.recipe(epochs=4))
    until(lambda: scene.happened("epoch-0 "), process=process)
    process.send_signal(signal.SIGSTOP)
    (scene.root / "gate").touch()
    until(lambda: scene.happened("epoch-3 "))
    process.send_signal(signal.SIGCONT)
    assert process.wait(PATIENCE_S) == 0, scene.said()
    run = newest_run(scene)
    events = [e["t"] for e in status.read(status_path(scene.home, run)) if e["kind"] == "epoch"]
    rows = [row["timestamp"] for row in metrics.read(metrics_files(scene.home, run)["contained/trained"])]
    with scene.instance() as instance:
        seen = instance.all_logs(run, of_type=dg.DagsterEventType.ASSET_OBSERVATION)
    assert rows == events == [entry.timestamp for entry in seen]
    assert all(later - earlier >= 0.3 for earlier, later in itertools.pairwise(rows))
