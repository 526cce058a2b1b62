"""A payload may be an ordinary Pipes script: what it reports is kept, and its result reused as any other."""

from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.stages import Stage, StageConfig, Steps, stage_asset
from blut_assets.testing import blut_instance, materialize

PAYLOAD = "tests.payloads.piped"
NAME = "test__piped"
__all__ = ["blut_instance"]
HEARD: list[Any] = []


class Piped(Artifact):
    """What the script leaves."""

    kind = "test.piped"
    rows: int


class PipedConfig(StageConfig):
    """How the script behaves."""

    leaves: bool = False
    reads: bool = False
    epochs: int = 0


@stage_asset(cookbook="test", group="training", payloads=[PAYLOAD])
def piped(stage: Stage, config: PipedConfig) -> Steps[Piped]:
    """Run the script."""
    how = {**config.model_dump(include={"leaves", "reads", "epochs"}), "messages": 2, "size": 1}
    facts = yield from stage.run(PAYLOAD, config={**how, "checks": {"fine": True, "tidy": False}}, inputs={})
    HEARD[:] = stage.messages
    return Piped(rows=facts["rows"])


def run(instance: dg.DagsterInstance, **config: Any) -> dg.ExecuteInProcessResult:
    return materialize(
        [piped],
        instance=instance,
        run_config={"ops": {NAME: {"config": config}}},
        raise_on_error=False,
    )


def shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(NAME)
    return {name: entry.value for name, entry in event.metadata.items()}


def test_all_that_it_reports_is_kept(blut_instance: dg.DagsterInstance) -> None:
    result = run(blut_instance, epochs=2)
    assert result.success
    assert shown(result)["rows"] == 7 and shown(result)["reported_data_version"] == "v7"
    checks = {one.check_name: one for one in result.get_asset_check_evaluations()}
    assert checks["fine"].passed and not checks["tidy"].passed
    assert (
        checks["tidy"].severity == dg.AssetCheckSeverity.WARN and checks["tidy"].metadata["rows"].value == 3
    )
    assert [one["number"] for one in HEARD] == [0, 1]
    observed = blut_instance.fetch_observations(piped.key, limit=5).records
    assert [one.asset_observation.metadata["loss"].value for one in observed if one.asset_observation] == [
        0.5,
        1,
    ]
    assert shown(run(blut_instance, epochs=2))["reused"] is True


def test_one_that_leaves_in_the_middle_is_no_result(blut_instance: dg.DagsterInstance) -> None:
    result = run(blut_instance, leaves=True)
    assert not result.success and not result.asset_materializations_for_node(NAME)
    data = result.failure_data_for_node(NAME)
    assert data and data.user_failure_data
    assert "or without the end of Dagster Pipes" in (data.user_failure_data.description or "")


def test_what_it_reads_and_nobody_counted_makes_it_no_answer_to_a_later_run(
    blut_instance: dg.DagsterInstance, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(blut_instance, reads=True).success
    assert "swapped.py, which is no part of the code version" in capfd.readouterr().err
    assert shown(run(blut_instance, reads=True))["reused"] is False
