"""What Weights & Biases is told, read back from its own files, and never sent anywhere unasked."""

import importlib.util
import json
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from blut_resources.runs import tracking
from blut_resources.runs.status import Status
from tests.lacking import lacking
from tests.recorded import ASSET, Left, train

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture
def _wandb(monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("wandb") is None:
        lacking("wandb is not installed: `make setup`")
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    for name, value in tracking.QUIET.items():
        monkeypatch.setenv(name, value)  # and taken back after the test


def records(directory: Path) -> list[Any]:
    """Everything in the one offline run below."""
    from wandb.proto import wandb_internal_pb2
    from wandb.sdk.internal.datastore import DataStore

    (file,) = directory.glob("wandb/offline-run-*/*.wandb")
    store, found = DataStore(), []
    store.open_for_scan(str(file))
    while data := store.scan_data():
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        found.append(record)
    return found


def values(items: Any) -> dict[str, Any]:
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


@pytest.mark.slow
@pytest.mark.usefixtures("_wandb")
def test_an_offline_run_holds_every_epoch_the_settings_and_the_end(home: Path) -> None:
    result = train(logger="wandb", losses=[1, 0.5, 0.25])
    assert result.success
    directory = home / "runs" / result.run_id
    found = records(directory)
    (run,) = [r.run for r in found if r.WhichOneof("record_type") == "run"]
    assert run.run_id == f"{result.run_id}-test-losses" and run.project == "blut"
    assert run.run_group == Left(result.run_id).manifest["experiment"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    assert config["seed"] == 7 and config["intent"] == "probe"
    rows = [values(r.history.item) for r in found if r.WhichOneof("record_type") == "history"]
    assert [(row["epoch"], row["step"], row["loss"]) for row in rows] == [
        (1, 10, 1.0),
        (2, 20, 0.5),
        (3, 30, 0.25),
    ]
    (end,) = [r.exit for r in found if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 0
    assert [row["loss"] for row in Left(result.run_id).rows()] == [row["loss"] for row in rows]


def _train_and_die() -> None:
    """After the third epoch is in the stream of events."""
    take, seen = Status._write, list[str]()

    def write(self: Status, kind: str, *said: Any) -> None:
        take(self, kind, *said)
        seen.append(kind)
        if seen.count("epoch") == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    Status._write = write  # type: ignore[method-assign]
    train(logger="wandb", losses=[1, 0.5, 0.25, 0.125])


@pytest.mark.slow
@pytest.mark.usefixtures("_wandb")
def test_the_offline_run_of_a_killed_run_is_made_whole(home: Path) -> None:
    run = multiprocessing.get_context("fork").Process(target=_train_and_die)
    run.start()
    run.join(120)
    assert run.exitcode == -signal.SIGKILL
    with open_instance() as instance:
        (run_id,) = reap_dead_runs(instance)
    found = records(home / "runs" / run_id)
    rows = [values(r.history.item) for r in found if r.WhichOneof("record_type") == "history"]
    told = [event for event in Left(run_id, home).events if event["kind"] == "epoch"]
    assert [row["loss"] for row in rows] == [event["metrics"]["loss"] for event in told] and len(rows) >= 3
    assert [row["_timestamp"] for row in rows] == [event["t"] for event in told]
    (end,) = [r.exit for r in found if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 1
    (made,) = [r.run for r in found if r.WhichOneof("record_type") == "run"]
    assert made.run_id == f"{run_id}-test-losses"


@pytest.mark.usefixtures("_wandb")
def test_a_training_that_diverged_is_one_that_failed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LOGGER", "wandb")
    result = train(losses=[1, "nan"])
    (end,) = [r.exit for r in records(home / "runs" / result.run_id) if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 1


def test_a_tracker_that_is_not_installed_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(tracking.TrackerUnavailable, match=r"logger = 'wandb'.*blut\[observability\]"):
        tracking.chosen_logger("wandb")


def test_a_tracker_that_breaks_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("no more room for your metrics")

    monkeypatch.setattr("blut_assets.stages.recording.chosen_logger", lambda said: "wandb")
    monkeypatch.setattr("blut_assets.stages.recording.open_tracker", broken)
    result = train()
    assert result.success and len(Left(result.run_id).rows(ASSET)) == 3
    assert capfd.readouterr().err.count("gets nothing more of this") == 1
