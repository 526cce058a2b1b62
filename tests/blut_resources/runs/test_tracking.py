"""What Weights & Biases is told, read back from its own files, and never sent anywhere unasked."""

import importlib.util
import json
import multiprocessing
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

import pytest

from blut_resources.alive import reap_dead_runs
from blut_resources.instance.instance import open_instance
from blut_resources.runs import order, sink, tracking, wandb_run
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
    for name, value in wandb_run.QUIET.items():
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


def settled(home: Path) -> None:
    """Wait until nobody is at work on an order any more: a busy machine is slower than a command waits."""
    for one in order.kept(home):
        deadline = time.monotonic() + 60
        while (claimed := order.claim(one)) is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        claimed.close()


def values(items: Any) -> dict[str, Any]:
    return {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}


@pytest.mark.slow
@pytest.mark.usefixtures("_wandb")
def test_an_offline_run_holds_every_epoch_the_settings_and_the_end(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setenv("TMPDIR", str(temp))
    result = train(logger="wandb", losses=[1, 0.5, 0.25])
    assert result.success
    settled(home)
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
    deadline = time.monotonic() + 60
    while (left := sorted(path.name for path in temp.iterdir())) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert left == [], "nothing of the tracker stays"


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
        settled(home)
        reap_dead_runs(instance)
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
    settled(home)
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


STANDS_STILL = {
    "at its start": "import time\ndef init(**_): time.sleep(300)",
    "at its import": "import time; time.sleep(300)",
    "at the first epoch": "import time\n{rest}",
    "no more": "import os, signal, time\ndef init(**_):\n os.kill(os.getpid(), signal.SIGSTOP)",
    "killed": "import os, signal\ndef init(**_):\n os.kill(os.getpid(), signal.SIGKILL)",
    "silent": "import time\n{rest}",
    "broken": "def init(**_):\n raise OSError('no space left on device')",
}
REST = """
class Settings:
    def __init__(self, **_): pass
class Run:
    def define_metric(self, *_, **__): pass
    def finish(self, **_): pass
    def log(self, row): time.sleep(300)
def init(**_): return Run()
"""


@pytest.mark.usefixtures("_wandb")
@pytest.mark.parametrize(
    "how",
    ["at the first epoch"]
    + [pytest.param(how, marks=pytest.mark.heavy) for how in STANDS_STILL if how != "at the first epoch"],
)
def test_a_training_ends_as_if_it_had_no_tracker_and_that_is_told_later(
    how: str, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever its tracker does, and however long."""
    (tmp_path / "fake").mkdir()
    fake = STANDS_STILL[how].format(rest=REST)
    if how == "silent":  # as on a full disk: no call fails, and no file has anything in it
        fake = fake.replace("300", "0")
    (tmp_path / "fake" / "wandb.py").write_text(fake)
    monkeypatch.setenv("WANDB_MODE", "offline" if how == "silent" else "online")
    with monkeypatch.context() as faked:
        faked.setattr(tracking, "END_S", 1.0)
        faked.setenv("PYTHONPATH", str(tmp_path / "fake"))
        began = time.monotonic()
        result = train(logger="wandb", losses=[1, 0.5, 0.25])
        took = time.monotonic() - began
    assert result.success and [row["loss"] for row in Left(result.run_id).rows()] == [1.0, 0.5, 0.25]
    said = capfd.readouterr().err
    assert "wandb was not told all of it" in said
    assert not how.startswith("at ") or "it has not answered yet" in said  # nobody has waited for that
    (sink,) = tracking._started[-1:]
    if how == "no more":
        sink.kill()
    assert sink.wait(20) is not None and took < tracking.WAIT_S
    with open_instance() as instance:
        assert reap_dead_runs(instance) == []
    said = capfd.readouterr().err
    assert f"{ASSET} of run {result.run_id[:8]}: all its 3 epochs are in {home}" in said
    found = records(home / "runs" / result.run_id)
    assert [values(r.history.item)["loss"] for r in found if r.WhichOneof("record_type") == "history"] == [
        1.0,
        0.5,
        0.25,
    ]
    (end,) = [r.exit for r in found if r.WhichOneof("record_type") == "exit"]
    assert end.exit_code == 0 and not list((home / order.UNTOLD).iterdir())


@pytest.mark.heavy
@pytest.mark.usefixtures("_wandb")
def test_a_server_that_never_answers_holds_up_nothing(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as hole, monkeypatch.context() as online:
        online.setattr(tracking, "END_S", 2.0)
        hole.bind(("127.0.0.1", 0))
        hole.listen(1)
        online.setenv("WANDB_MODE", "online")
        online.setenv("WANDB_API_KEY", "0" * 40)
        online.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{hole.getsockname()[1]}")
        began = time.monotonic()
        result = train(logger="wandb", losses=[1, 0.5, 0.25])
        assert result.success and time.monotonic() - began < tracking.WAIT_S - 2
        assert tracking._started[-1].wait(20) == 0
    assert tracking.tell_again(home, 30.0)[0].startswith("wandb missed something of")
    assert len(Left(result.run_id).rows()) == 3


def test_what_is_told_elsewhere_or_never_can_be_is_not_told_again(home: Path) -> None:
    order.TrackedRun(str(home), "gone", ASSET, "mine").keep()
    result = train()
    held = order.TrackedRun(str(home), result.run_id, ASSET, "mine")
    held.keep()
    claimed = order.claim(held)
    assert claimed is not None
    assert tracking.tell_again(home, 5.0) == []
    assert [one.run_id for one in order.kept(home)] == [result.run_id]
    claimed.close()
    order.replace(held, tries=order.TRIES).keep()
    assert tracking.tell_again(home, 5.0) == []


def test_an_attempt_is_told_of_while_the_one_before_still_is(home: Path) -> None:
    first, second = (order.TrackedRun(str(home), "0123", ASSET, "mine") for _ in range(2))
    held = []
    for one in (first, second):
        one.keep()
        held.append(order.claim(one))
    assert None not in held and order.kept(home, "0123") == [first, second]
    for one in held:
        one.close()


@pytest.mark.parametrize("there", [0, 2])
def test_an_offline_run_with_less_than_was_told_is_not_believed(
    there: int, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink, "FLUSH_S", 0.1)
    monkeypatch.setattr(sink, "epochs_in", lambda path: there)
    one = order.TrackedRun(str(home), "0123", ASSET, "mine")
    place = home / "wandb" / f"offline-run-20260101_000000-0123-{one.slug}"
    place.mkdir(parents=True)
    assert sink._proved(one, home, 2 if there else 0) == (str(place) if there else "")
    with pytest.raises(OSError, match=f"its offline run has {there} of 3 epochs"):
        sink._proved(one, home, 3)
