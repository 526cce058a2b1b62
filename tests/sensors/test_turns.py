"""Where several code locations load Blut, each thing is done once in an instance."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.recipes import Recipe
from blut_resources.instance.instance import open_instance
from sensors.alerts.scope import AlertScope
from sensors.alerts.sensor import alerts_sensor
from sensors.housekeeping.sensor import housekeeping
from sensors.policy.fields import Policy
from sensors.policy.file import PolicyFile
from sensors.reaper import reaper
from sensors.retraining import decided_elsewhere
from sensors.turns import SensorTurn, turn_of
from tests.sensors.kept import keep, kept, location_of, tick

OLD = json.dumps({"runs": -1, "checks": {}, "since": 1.0, "blocked": {}, "owed": []})


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as found:
        yield found


def turn(instance: dg.DagsterInstance, location: str, seen: float = 0.0) -> SensorTurn:
    context = dg.SensorEvaluationContext(
        instance_ref=None,
        instance=instance,
        last_tick_completion_time=seen,
        repository_name="__repository__",
        code_location_origin=location_of(location),
    )
    return turn_of(context, "blut_reaper")


@pytest.mark.parametrize("sensor", [reaper, housekeeping], ids=lambda one: one.name)
def test_the_first_location_by_name_works_and_the_ticks_of_the_other_say_so(
    instance: dg.DagsterInstance, sensor: dg.SensorDefinition
) -> None:
    assert "code location" not in tick(instance, sensor, "ml", 100.0)[0], "it is alone"
    assert "code location" not in tick(instance, sensor, "blut", 101.0)[0]
    said, _ = tick(instance, sensor, "ml", 130.0, seen=100.0)
    assert said == "done by the code location blut, which loads Blut too"


def test_another_goes_on_when_the_first_is_off_or_gone(instance: dg.DagsterInstance) -> None:
    """Its ticks have to be missing while others came: after a pause of the daemon all are late alike."""
    keep(instance, "blut_reaper", "blut", last_tick_start_timestamp=1000.0)
    keep(instance, "blut_reaper", "ml", last_tick_start_timestamp=1001.0)
    assert turn(instance, "ml", 1001.0).waits and not turn(instance, "blut", 1000.0).waits
    assert turn(instance, "ml", 1200.0).waits, "late by less than the grace"
    assert not turn(instance, "ml", 1300.0).waits
    keep(instance, "blut_reaper", "blut", last_tick_start_timestamp=1300.0, switch="STOPPED")
    assert not turn(instance, "ml", 1301.0).waits


@pytest.fixture
def told(home: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What a command has been told, a line for each alert."""
    lines, code = home / "told", "import sys; open(sys.argv[1], 'a').write(sys.stdin.read())"
    settings = home / "alerts.toml"
    command = json.dumps([sys.executable, "-c", code, str(lines)])
    settings.write_text(f'[[hook]]\nname = "team"\ncommand = {command}\n')
    monkeypatch.setenv("BLUT_ALERTS", str(settings))
    return lambda: [json.loads(line)["run"] for line in lines.read_text().splitlines()]


@dg.asset
def model() -> None:
    raise ValueError("no")


@dg.op
def broken() -> None:
    raise ValueError("no")


def fail(instance: dg.DagsterInstance, name: str, location: str = "") -> str:
    """A run of a job that fails, of a location if one is named."""
    tags = {".dagster/repository": f"__repository__@{location}"} if location else {}
    job = dg.GraphDefinition(name, node_defs=[broken]).to_job()
    return job.execute_in_process(instance=instance, tags=tags, raise_on_error=False).run_id


def test_of_two_locations_one_tells_what_concerns_either_and_the_next_goes_on_where_it_was(
    instance: dg.DagsterInstance, told: Any
) -> None:
    first, second = (
        alerts_sensor(AlertScope.of([], ["weekly"], [])),
        alerts_sensor(AlertScope.of([], ["monthly"], [model.key])),
    )
    tick(instance, first, "blut", 100.0)
    tick(instance, second, "ml", 101.0)
    run, other = fail(instance, "weekly"), fail(instance, "monthly", "ml")
    made = dg.materialize([model], instance=instance, raise_on_error=False).run_id
    assert "done by the code location blut" in tick(instance, second, "ml", 130.0, seen=101.0)[0]
    tick(instance, first, "blut", 131.0, seen=100.0)
    assert sorted(told()) == sorted([run, other, made])
    keep(instance, first.name, "blut", switch="STOPPED", cursor=kept(instance)[first.name, "blut"][1])
    later = fail(instance, "weekly")
    tick(instance, second, "ml", 160.0, seen=130.0)
    assert told()[3:] == [later], "nothing of before again"


def test_runs_of_others_are_told_of_only_if_that_is_wanted(
    instance: dg.DagsterInstance, told: Any, home: Path
) -> None:
    sensor = alerts_sensor(AlertScope.of([], ["weekly"], [model.key]))
    tick(instance, sensor, "blut", 100.0)
    fail(instance, "etl"), fail(instance, "etl", "blut"), fail(instance, "weekly", "theirs")
    run = fail(instance, "weekly", "blut")
    tick(instance, sensor, "blut", 130.0)
    assert told() == [run]
    settings = home / "alerts.toml"
    settings.write_text(f"all_runs = true\n{settings.read_text()}")
    other = fail(instance, "etl", "theirs")
    tick(instance, sensor, "blut", 160.0)
    assert told() == [run, other]


def test_what_an_older_version_has_told_is_not_told_again(instance: dg.DagsterInstance, told: Any) -> None:
    fail(instance, "weekly")
    (failure,) = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
    after = fail(instance, "weekly")
    keep(instance, "reaper", "blut", switch="DECLARED_IN_CODE")
    keep(instance, "alerts", "blut", cursor=json.dumps({**json.loads(OLD), "runs": failure.storage_id}))
    tick(instance, alerts_sensor(AlertScope.of([], ["weekly"], [])), "blut", 100.0)
    assert told() == [after], "not of the run before"
    tick(instance, reaper, "blut", 101.0)
    tick(instance, alerts_sensor(AlertScope.of([], ["weekly"], [])), "blut", 130.0, seen=100.0)
    assert told() == [after]
    assert set(kept(instance)) == {("blut_alerts", "blut"), ("blut_reaper", "blut")}


def test_a_sensor_that_was_switched_off_stays_so_from_its_first_tick_on(
    instance: dg.DagsterInstance, told: Any
) -> None:
    keep(instance, "reaper", "blut", switch="STOPPED")
    keep(instance, "alerts", "blut", cursor=OLD, switch="STOPPED")
    fail(instance, "weekly")
    said, cursor = tick(instance, alerts_sensor(AlertScope.of([], ["weekly"], [])), "blut", 100.0)
    assert said == "switched off, as it was under its old name"
    assert kept(instance)["blut_alerts", "blut"] == ("STOPPED", cursor)
    assert json.loads(cursor)["since"] == 1.0, "what was to be told is told once it is on again"


def test_a_policy_is_decided_where_its_recipe_is_and_by_the_first_of_those(
    instance: dg.DagsterInstance,
) -> None:
    recipe: Any = type("Named", (), {"name": "train"})
    mine: list[Recipe] = [recipe]
    policies = {
        "nightly": Policy.model_validate({"recipe": "train"}),
        "theirs": Policy.model_validate({"recipe": "other"}),
        "nobodys": Policy.model_validate({"recipe": "unknown"}),
    }
    file = PolicyFile(Path("p.toml"), policies)
    said = "nightly: the policy is off\ntheirs: no new data\nnobodys: decided by the code location that has"
    keep(instance, "blut_reaper", "k", cursor=said, last_tick_start_timestamp=1000.0)
    found = decided_elsewhere(file, mine, turn(instance, "m", 1001.0).peers)
    assert found["nightly"] == found["theirs"] == "decided by the code location k"
    assert "that has the recipe unknown: not this one; there is k" in found["nobodys"]
    assert decided_elsewhere(file, mine, turn(instance, "b", 1001.0).peers).keys() == {"theirs", "nobodys"}
    assert decided_elsewhere(file, mine, []) == {}, "alone, a wrong recipe is an error"
