"""What a run leaves behind says what happened, in numbers that are everywhere the same."""

import math
from pathlib import Path

import dagster as dg
import pytest

from blut_resources.runs.files import metrics_files
from tests.recorded import ASSET, Left, train

pytestmark = pytest.mark.usefixtures("home")


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_GAUGE_S", "0.02")


def observed(result: dg.ExecuteInProcessResult, name: str) -> list[object]:
    return [
        event.asset_observation_data.asset_observation.metadata[name].value
        for event in result.all_events
        if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION
    ]


def failure(result: dg.ExecuteInProcessResult) -> dg.Failure:
    data = result.failure_data_for_node("test__losses")
    assert data and data.user_failure_data
    return data.user_failure_data  # pyright: ignore[reportReturnType]


def test_a_training_is_a_row_an_epoch_a_line_an_event_and_one_manifest() -> None:
    lingers = 3.0  # a busy machine too has time for a gauge then
    result = train(lingers=lingers)
    left = Left(result.run_id)
    assert [(row["epoch"], row["step"], row["loss"]) for row in left.rows()] == [
        (1, 10, 1.0),
        (2, 20, 0.5),
        (3, 30, 0.25),
    ]
    assert {(row["run_id"], row["asset"], row["phase"]) for row in left.rows()} == {
        (result.run_id, ASSET, "train")
    }
    assert observed(result, "loss") == [1.0, 0.5, 0.25]
    kinds = [kind for kind in left.kinds() if kind not in ("environment", "gauge")]
    assert kinds == [
        *("run_started", "asset_started", "payload_started"),
        *("epoch", "epoch", "epoch", "asset_finished", "run_ended"),
    ]
    gauges = [event for event in left.events if event["kind"] == "gauge"]
    assert any(event["memory_bytes"] > 1e6 and event["processes"] >= 1 for event in gauges)

    known = left.manifest
    assert known["outcome"] == "succeeded" and known["completed_by"] == "run"
    assert known["seed"] == 7 and known["intent"] == "probe" and known["experiment"]
    assert known["argv"] and known["packages"]["dagster"] and known["hardware"]["cores"]
    assert len(known["git"]["commit"]) == 40
    made = known["assets"][ASSET]
    assert known["artifacts"] == {ASSET: made["digest"]} and made["epochs"] == 3
    assert made["config"]["seed"] == 7
    assert known["ended"] >= known["started"] and known["peak_memory_bytes"] > 1e6

    again = train(lingers=lingers)
    reused = Left(again.run_id)
    assert reused.kinds() == ["run_started", "asset_reused", "run_ended"]
    assert reused.manifest["artifacts"] == known["artifacts"]
    assert reused.manifest["assets"][ASSET]["origin"] == result.run_id


@pytest.mark.parametrize("bad", ["nan", "inf"])
def test_a_loss_that_is_no_number_is_an_outcome(bad: str) -> None:
    result = train(losses=[1, bad, 0.5])
    assert not result.success
    said = failure(result)
    assert said.description == f"{ASSET} has diverged: epoch 2: loss is {bad}"
    assert said.metadata["outcome"].value == "diverged"
    left = Left(result.run_id)
    assert left.manifest["outcome"] == "diverged"
    assert "diverged" in left.kinds()
    assert not math.isfinite(left.rows()[-1]["loss"])


def test_a_runaway_loss_stops_a_training_only_if_asked_to() -> None:
    losses = [2, 1, 12, 3]
    assert train(losses=losses).success
    result = train(losses=losses, divergence_factor=10.0, reuse="never")
    assert failure(result).description == (
        f"{ASSET} has diverged: epoch 3: loss is 12, more than 10 times its lowest of 1 (divergence_factor)"
    )
    assert Left(result.run_id).manifest["outcome"] == "diverged"
    # the next attempt starts from what is left, and does not forget what the lowest was
    again = train(losses=[12], divergence_factor=10.0)
    assert again.success


def test_divergence_can_be_reported_and_nothing_else() -> None:
    result = train(losses=[1, "nan", "inf"], on_divergence="report")
    assert result.success
    left = Left(result.run_id)
    assert left.kinds().count("diverged") == 1
    assert left.manifest["outcome"] == "succeeded"
    assert observed(result, "loss") == [1.0, "nan", "inf"]


def test_metrics_come_as_csv_if_asked_for(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.setenv("BLUT_METRICS", "csv")
    result = train()
    assert metrics_files(home, result.run_id)[ASSET].read_text().splitlines()[0] == (
        "run_id,asset,epoch,step,phase,timestamp,loss"
    )


def test_a_table_that_cannot_be_written_ends_no_training(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("BLUT_METRICS", "feather")
    assert train().success
    assert "not in its table of metrics yet: $BLUT_METRICS='feather'" in capfd.readouterr().err


def test_an_unknown_tracker_is_refused_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BLUT_LOGGER", "mlflow")
    result = train()
    assert failure(result).description == "$BLUT_LOGGER = 'mlflow': must be one of none, wandb"
    assert Left(result.run_id).kinds() == ["run_started", "run_ended"]


@pytest.mark.parametrize(
    ("tags", "config", "intent"),
    [
        ({}, {"preset": "production"}, "probe"),
        ({}, {"ops": {"a": {"config": {"preset": "smoke"}}}}, "smoke"),
        ({}, {"edf_root": "synthetic:subjects=4"}, "smoke"),
        ({}, {"max_steps": 3}, "smoke"),
        ({}, {"promote_as": "codec@production"}, "campaign"),
        ({"dagster/sensor_name": "retraining"}, {"promote_as": ""}, "campaign"),
        ({"blut/intent": "probe"}, {"preset": "smoke"}, "probe"),
    ],
)
def test_what_a_run_is_for_is_told_from_its_settings_unless_said(
    tags: dict[str, str], config: dict[str, object], intent: str
) -> None:
    import blut_assets.definitions  # noqa: F401  # cookbooks declare which settings tell it
    from blut_resources.runs.intent import intent_of

    assert intent_of(config, tags) == intent


def test_runs_that_differ_in_their_seed_are_of_one_experiment() -> None:
    from blut_resources.runs.intent import experiment_of

    tags = {"blut/recipe": "codec"}
    one, two = (experiment_of("job", {"lr": 0.1, "seed": seed}, tags) for seed in (1, 2))
    assert one == two != experiment_of("job", {"lr": 0.2, "seed": 1}, tags)
    assert one.startswith("codec-")
    assert experiment_of("job", {}, {"blut/experiment": "mine"}) == "mine"
