"""A payload that is a job, by a scheduler that does as a test says: what is heard of it, what it makes."""

import json
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.cli.run.launching import carry_out
from blut_assets.stages import reuse
from blut_resources.instance.instance import open_instance
from blut_resources.launchers import remote, watch
from blut_resources.launchers.files import LAUNCH
from blut_resources.payloads import admission
from tests.contained import RESOURCES, TrainedConfig, raw, trained
from tests.databases import shipped
from tests.toy_scheduler import ToyScheduler, until

EPOCHS = 5


@pytest.fixture
def toy(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ToyScheduler]:
    made = ToyScheduler(tmp_path / "job.log")
    path = tmp_path / "launchers.toml"
    path.write_text('[toy]\nkind = "slurm"\n')
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_LAUNCHERS", str(path))
    monkeypatch.setenv("BLUT_GAUGE_S", "0.1")
    monkeypatch.setattr(remote, "scheduler_by", lambda _: made)
    monkeypatch.setattr(watch, "LOOK_S", 0.2)
    monkeypatch.setattr(watch, "FIRST_S", 0.05)
    yield made
    made.close()


@pytest.fixture
def behave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    log = tmp_path / "log"
    log.touch()
    monkeypatch.setenv("TRAINS", str(tmp_path / "how.json"))

    def put(**how: Any) -> Path:
        told = {"log": str(log), "gate": str(tmp_path / "gate"), "gate_at": 1, **how}
        (tmp_path / "how.json").write_text(json.dumps(told))
        return log

    put()
    return put


@pytest.fixture
def go_on(tmp_path: Path) -> Callable[[], None]:
    """Lets a training go on that waits behind its second epoch."""
    return (tmp_path / "gate").touch


def run(launcher: str = "toy", meanwhile: Callable[[], None] = lambda: None) -> Any:
    """The digest of what is made, and its metadata, while another thread does something to the job."""
    config = TrainedConfig(epochs=EPOCHS, launcher=launcher).model_dump(mode="json")
    ops = {"contained__trained": {"config": config}}
    other = threading.Thread(target=meanwhile)
    other.start()
    with open_instance() as instance:
        done = dg.materialize(
            [raw, trained],
            resources=RESOURCES,
            instance=instance,
            run_config={"ops": ops},
            raise_on_error=False,
        )
        other.join()
        assert done.success, done.failure_data_for_node("contained__trained")
        (event,) = done.asset_materializations_for_node("contained__trained")
        said = [entry.user_message for entry in instance.all_logs(done.run_id)]
    return reuse.digest_of(event), {k: v.value for k, v in event.metadata.items()}, said


def epochs(home: Path) -> list[int]:
    (stream,) = home.glob("runs/*/status.jsonl")
    events = [json.loads(line) for line in stream.read_text().splitlines()]
    return [event["epoch"] for event in events if event["kind"] == "epoch"]


def test_what_a_job_makes_is_what_this_machine_makes(
    toy: ToyScheduler, behave: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = behave(show="CUDA_VISIBLE_DEVICES", epoch_s=0.6, gate=None)
    toy.gives = {"CUDA_VISIBLE_DEVICES": "3", "SLURM_JOB_ID": "17"}
    digest, shown, _ = run()
    assert (shown["launcher"], shown["job_id"], toy.starts) == ("toy", "1", 1)
    assert "CUDA_VISIBLE_DEVICES=3 " in log.read_text(), "what the job was given, the payload sees"
    (stream,) = home.glob("runs/*/status.jsonl")
    gauges = [json.loads(line) for line in stream.read_text().splitlines() if '"gauge"' in line]
    assert gauges and gauges[-1]["memory_bytes"] > 1e6, "measured where it runs"
    monkeypatch.setenv("DAGSTER_HOME", str(home.parent / "other"))
    monkeypatch.setenv("BLUT_STORE", str(home.parent / "other" / "store"))
    (home.parent / "other").mkdir()
    (home.parent / "other" / "dagster.yaml").write_text(shipped())
    behave(gate=None)
    assert run("local")[0] == digest


@pytest.mark.parametrize("how", ["lose", "preempt"])
def test_a_job_that_is_started_again_goes_on_and_each_epoch_counts_once(
    toy: ToyScheduler,
    behave: Callable[..., Path],
    home: Path,
    go_on: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    log, waits = behave(), list[str]()
    say = admission.say_waiting
    monkeypatch.setattr(admission, "say_waiting", lambda *said: waits.append(said[-1]) or say(*said))

    def meanwhile() -> None:
        until(lambda: "epoch-1 " in log.read_text())
        getattr(toy, how)()
        until(lambda: any("requeued" in text for text in waits))
        go_on()
        toy.start()

    _, shown, said = run(meanwhile=meanwhile)
    assert toy.starts == 2 and "start" in log.read_text()
    resumed = [line for line in log.read_text().splitlines() if line.startswith("resumed-at-")]
    assert len(resumed) == 2 and resumed[1].split()[0] != "resumed-at-0", "from its checkpoint"
    assert sorted(set(epochs(home))) == list(range(EPOCHS))
    assert any("requeued by toy (restart 1): Resources" in line for line in said if line)
    assert shown["queue_seconds"] > 0.2, "that it waited again is told"


def test_silence_and_an_empty_answer_change_nothing(
    toy: ToyScheduler, behave: Callable[..., Path], go_on: Callable[[], None]
) -> None:
    log = behave()

    def meanwhile() -> None:
        until(lambda: "epoch-1 " in log.read_text())
        toy.silent = True
        looks = toy.looks
        until(lambda: toy.looks > looks + 1)
        toy.silent, toy.forgetful = False, True
        looks = toy.looks
        until(lambda: toy.looks > looks)
        go_on()

    _, _, said = run(meanwhile=meanwhile)
    assert toy.starts == 1 and toy.asked == []
    assert any(line and line.endswith("waiting: nobody answers (toy job 1)") for line in said)


def test_an_answer_from_before_it_began_does_not_say_that_it_waits(
    toy: ToyScheduler, behave: Callable[..., Path]
) -> None:
    behave(epoch_s=0.6, gate=None)
    toy.stale = True
    _, shown, _ = run()
    assert shown["queue_seconds"] < shown["compute_seconds"]


def test_an_order_names_no_secret_and_all_that_its_result_depends_on(
    toy: ToyScheduler,
    behave: Callable[..., Path],
    home: Path,
    go_on: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BLUT_PAYLOAD_ENV", "TRAINS, MY_TOKEN")
    monkeypatch.setenv("MY_TOKEN", "hidden")
    log, orders = behave(), []

    def meanwhile() -> None:
        until(lambda: "epoch-1 " in log.read_text())
        orders.extend(path.read_text() for path in home.rglob(LAUNCH))
        go_on()

    run(meanwhile=meanwhile)
    (order,) = map(json.loads, orders)
    assert "hidden" not in orders[0] and order["passed"] == ["MY_TOKEN"]
    assert order["module"] == "tests.payloads.trains" and len(order["fingerprint"]) == 40
    assert order["inputs"].keys() == {"raw"} and order["environment"]["python"].startswith("3.")


@pytest.fixture
def interrupt_at_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C while Dagster has the event of the first epoch in hand."""
    stored, once = dg.DagsterInstance.handle_new_event, [signal.SIGINT]

    def store(instance: dg.DagsterInstance, event: dg.EventLogEntry, **how: Any) -> Any:
        done = stored(instance, event, **how)
        if event.dagster_event and event.dagster_event.is_asset_observation and once:
            os.kill(os.getpid(), once.pop())
        return done

    monkeypatch.setattr(dg.DagsterInstance, "handle_new_event", store)


def interrupted(launcher: str = "toy") -> None:
    """What a command does that carries out the run, up to when it would end."""
    config = TrainedConfig(epochs=EPOCHS, launcher=launcher)
    ops = {"contained__trained": {"config": config.model_dump(mode="json")}}
    job = dg.Definitions(
        assets=[raw, trained], resources=RESOURCES, jobs=[dg.define_asset_job("trains")]
    ).resolve_job_def("trains")
    with open_instance() as instance:
        done = carry_out(instance, str(uuid.uuid4()), job, {"ops": ops}, {}, tags=None)
        assert done is None or not done.success


@pytest.mark.usefixtures("interrupt_at_epoch")
def test_an_interrupt_while_an_epoch_is_written_down_waits_for_the_job(
    toy: ToyScheduler, behave: Callable[..., Path], home: Path
) -> None:
    log = behave(last_words_s=0.5)
    interrupted()
    assert "saved " in log.read_text(), "it had its grace period, and was waited for"
    assert toy.asked and toy.asked[0] is False
    assert not list(home.rglob(LAUNCH))


@pytest.mark.usefixtures("toy", "interrupt_at_epoch")
@pytest.mark.parametrize("launcher", ["local", "toy"])
def test_the_manifest_of_a_run_interrupted_then_has_what_came_in_the_grace_period(
    behave: Callable[..., Path], home: Path, launcher: str
) -> None:
    behave(last_epoch=99)
    interrupted(launcher)
    assert epochs(home)[-1] == 99
    (path,) = home.glob("runs/*/manifest.json")
    asset = json.loads(path.read_text())["assets"]["contained/trained"]
    assert (asset["epochs"], asset["state"]) == (len(epochs(home)), "failed")


def test_a_second_interrupt_does_not_take_the_checkpoint_of_a_job_away(
    toy: ToyScheduler, behave: Callable[..., Path], home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def again(_unit: remote.RemoteUnit, _seconds: float) -> None:
        raise KeyboardInterrupt

    def type_once() -> None:
        until(lambda: list(home.glob("runs/*/status.jsonl")) and epochs(home) == [0, 1])
        time.sleep(0.5)  # it is written down
        os.kill(os.getpid(), signal.SIGINT)

    log = behave(last_words_s=0.5)
    monkeypatch.setattr(remote.RemoteUnit, "_await_end", again)
    threading.Thread(target=type_once).start()
    interrupted()
    (order,) = home.rglob(LAUNCH)
    until((order.parent / "outcome.0.json").exists)
    assert json.loads((order.parent / "outcome.0.json").read_text())["kind"] == "cancelled"
    assert "saved " in log.read_text()
