"""A payload's end, whatever it is, is what the step reports."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.stages import payloads as running
from blut_resources.instance.instance import open_instance
from blut_resources.leases.lease import LeaseError
from blut_resources.payloads import admission
from blut_resources.runs import metrics
from tests.conftest import REPOSITORY
from tests.scripted import RESOURCES, Scripted, scripted


def run(monkeypatch: pytest.MonkeyPatch, **config: Any) -> dg.ExecuteInProcessResult:
    monkeypatch.setenv("SCRIPT", json.dumps(config))
    with open_instance() as instance:
        return dg.materialize([scripted], resources=RESOURCES, instance=instance, raise_on_error=False)


def failure(result: dg.ExecuteInProcessResult) -> str:
    data = result.failure_data_for_node("test__scripted")
    assert data and data.user_failure_data
    return data.user_failure_data.description or ""


@pytest.mark.usefixtures("home")
def test_epochs_become_observations_and_facts_become_the_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run(monkeypatch, epochs=3)
    losses = [
        event.asset_observation_data.asset_observation.metadata["loss"].value
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    assert losses == [1.0, 0.5, pytest.approx(1 / 3)]
    assert isinstance(result.output_for_node("test__scripted"), Scripted)


@pytest.mark.usefixtures("home")
def test_who_ends_while_it_waits_is_not_told_of_a_process_that_said_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: Any, **__: Any) -> Any:
        raise LeaseError("ended while it waited")

    monkeypatch.setattr(admission, "lease", never)
    result = run(monkeypatch, epochs=1)
    with open_instance() as instance:
        said = [entry.user_message for entry in instance.all_logs(result.run_id)]
    assert not result.success and not [line for line in said if "[pipes]" in line]


@pytest.mark.usefixtures("home")
def test_no_message_is_lost_in_a_flood_of_large_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SCRIPT", json.dumps({}))
    seen: list[int] = []
    monkeypatch.setattr("blut_assets.stages.payloads.run_payload", _counting(seen))
    result = run(monkeypatch, messages=300, size=100_000)
    assert result.success
    assert seen == list(range(300))


def _counting(seen: list[int]) -> Any:
    from blut_resources.payloads.run import run_payload

    def counting(*args: Any, **how: Any) -> Any:
        for event in run_payload(*args, **how):
            if event["event"] == "step":
                seen.append(event["step"])
            yield event

    return counting


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"exit": 3}, "exit status 3\nthe reason is on standard error"),
        ({"signal": int(signal.SIGSEGV)}, "killed by SIGSEGV"),
        ({"signal": int(signal.SIGKILL)}, "killed by SIGKILL"),
        ({"silent": True}, "without `done`"),
        ({"torn": True}, "cut off"),
    ],
)
def test_a_payload_that_did_not_finish_fails_the_step_with_the_cause(
    monkeypatch: pytest.MonkeyPatch, config: dict[str, Any], words: str
) -> None:
    result = run(monkeypatch, **config)
    assert not result.success
    assert words in failure(result)
    assert not result.get_asset_materialization_events()


def test_a_payload_runs_by_hand_and_prints_its_events(tmp_path: Path) -> None:
    config = tmp_path / "config.json"
    frozen = {"schema": 1, "config": {"epochs": 2}, "inputs": {}, "fingerprint": "x"}
    config.write_text(json.dumps({**frozen, "out": str(tmp_path / "out"), "work": str(tmp_path / "work")}))
    done = subprocess.run(
        [sys.executable, "-m", "tests.payloads.scripted", "--config", str(config)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["epoch", "epoch", "done"]


@pytest.mark.usefixtures("home")
def test_of_very_many_epochs_dagster_is_told_of_a_few_and_of_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "EACH_EPOCH", 20)
    result = run(monkeypatch, epochs=299)
    told = [
        event.asset_observation_data.asset_observation.metadata["epoch"].value
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]
    assert told[:100] == list(range(100)) and told[-1] == 298 and len(told) < 270
    (table,) = (Path(os.environ["DAGSTER_HOME"]) / "runs").glob("*/metrics/*.parquet")
    assert [row["epoch"] for row in metrics.read(table)] == list(range(299))
