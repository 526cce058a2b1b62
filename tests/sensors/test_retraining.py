"""The sensor and its records, in one process with a real instance and real runs of a small recipe."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.definitions import defs, discovered
from blut_resources.instance.instance import store_of
from blut_resources.leases.lease import Needs, lease
from sensors.policy.file import edit
from sensors.policy.history import POLICY_TAG, history
from sensors.retraining import tags_of

RECIPE = "lamquant_data_prep"


class Desk:
    """An instance, a policy file and recordings."""

    def __init__(self, root: Path, instance: dg.DagsterInstance) -> None:
        self.instance, self.file, self.edf = instance, root / "policy.toml", root / "edf"
        self.sensor = defs.get_repository_def().get_sensor_def("blut_retraining")

    def set(self, **fields: Any) -> None:
        common = {"recipe": RECIPE, "args": {"edf_root": str(self.edf), "workers": 1}, "new_recordings": 1}
        edit(self.file, None, {"enabled": True, "start_hours": [], "cooldown": 0, **common, **fields})

    def record(self, number: int) -> None:
        from cookbooks.lamquant.samples.synthetic import write_synthetic

        write_synthetic(self.edf / f"take{number}", 1, 2, number, channels=("Fp1",))

    def tick(self) -> dg.RunRequest | str:
        """What the sensor wants, or why it wants nothing."""
        found = self.sensor.evaluate_tick(
            dg.build_sensor_context(self.instance, repository_def=defs.get_repository_def())
        )
        assert found.run_requests or found.skip_message == found.cursor, "the list of ticks shows the cursor"
        return found.run_requests[0] if found.run_requests else found.skip_message or ""

    def launch(self, request: dg.RunRequest | str) -> dg.ExecuteInProcessResult:
        """Make the run that the daemon would make."""
        assert isinstance(request, dg.RunRequest), request
        assert request.job_name and request.run_key
        tags = {**request.tags, "dagster/run_key": request.run_key}
        job = defs.resolve_job_def(request.job_name)
        return job.execute_in_process(
            dict(request.run_config), instance=self.instance, tags=tags, raise_on_error=False
        )


@pytest.fixture
def desk(tmp_path: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "policy.toml"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield Desk(tmp_path, instance)


def test_nothing_happens_where_nobody_enabled_anything(desk: Desk) -> None:
    assert "off: there is no policy in" in str(desk.tick())
    desk.record(1)
    desk.set(enabled=False)
    assert desk.tick() == "default: off: `blut policy enable` turns it on"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"recipe": "nope"}, ["policy default: recipe = 'nope': no such recipe; there are:", RECIPE]),
        (
            {"args": {"edf_rot": "/x"}},
            ["args:", "unknown argument 'edf_rot' = '/x' (did you mean 'edf_root'?)"],
        ),
    ],
)
def test_a_policy_that_cannot_be_acted_on_is_named_in_the_tick_and_starts_nothing(
    desk: Desk, fields: dict[str, Any], words: list[str]
) -> None:
    desk.set(**fields)
    said = str(desk.tick())
    assert said.startswith("policy file: cannot be acted on: ") and len(said.splitlines()) == 1
    assert all(word in said for word in [str(desk.file), *words])


def test_new_data_is_learned_from_once(desk: Desk) -> None:
    desk.record(1)
    desk.set(new_recordings=2)
    assert desk.tick() == "default: 1 new recordings, 2 are asked for"
    desk.record(2)
    request = desk.tick()
    assert isinstance(request, dg.RunRequest)
    assert request.run_key == desk.tick().run_key  # type: ignore[union-attr]
    assert desk.launch(request).success
    (attempt,) = history(desk.instance, "default", None).attempts
    assert attempt.outcome == "success" and attempt.ended
    assert "nothing new: run" in str(desk.tick())
    desk.record(3)
    assert desk.tick() == "default: 1 new recordings, 2 are asked for"
    desk.record(4)
    again = desk.tick()
    assert isinstance(again, dg.RunRequest) and again.run_key != request.run_key
    desk.set(cooldown="2d")
    assert "default: cooldown of 2 d until" in str(desk.tick())


def test_settings_of_a_file_are_resolved_when_it_starts_and_are_plain_args_of_the_run(
    desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "home/blut"
    (place / "configs").mkdir(parents=True)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place.parent))
    monkeypatch.setenv("BLUT_ARG_WORKERS", "9")
    (place / "config.yaml").write_text("retries: 7\n")
    night = place / "configs/night.yaml"
    night.write_text("# at night\nedf_root: ../../../edf\nretries: 0\n")
    desk.record(1)
    desk.set(config="night", args={"workers": 1})
    request = desk.tick()
    assert isinstance(request, dg.RunRequest)
    said = {name: request.run_config[name] for name in ("edf_root", "workers", "retries")}
    assert said == {"edf_root": str(desk.edf), "workers": 1, "retries": 0}
    night.write_text("edf_rot: x\n")
    assert f"{night}:1: {RECIPE}: unknown argument 'edf_rot' = 'x'" in str(desk.tick())
    desk.set(config="./night.yaml", args={"workers": 1})
    assert "config = './night.yaml': a relative path; give the whole one" in str(desk.tick())
    desk.set(config=None)
    assert desk.tick().run_config["retries"] == 2, "without it the args are all there is"  # type: ignore[union-attr]


def test_a_failure_is_followed_by_a_backoff_and_then_by_another_attempt(desk: Desk) -> None:
    desk.record(1)
    desk.set(backoff="1h", cooldown="7d")
    first = desk.tick()
    for path in desk.edf.rglob("*.edf"):
        path.rename(path.with_suffix(".away"))
    assert not desk.launch(first).success
    assert "default: backoff of 2 h until" in str(desk.tick())
    for path in desk.edf.rglob("*.away"):
        path.rename(path.with_suffix(".edf"))
    desk.set(backoff="0.1s", cooldown="0.1s")
    time.sleep(1)
    second = desk.tick()
    assert isinstance(second, dg.RunRequest) and isinstance(first, dg.RunRequest)
    assert second.run_key != first.run_key


def test_a_deadline_is_by_the_clock_of_the_policy_and_one_that_has_passed_starts_nothing(desk: Desk) -> None:
    desk.record(1)
    args = {"edf_root": str(desk.edf), "workers": 1}
    desk.set(args={**args, "deadline": "07:30"}, time_zone="Asia/Tokyo")
    request = desk.tick()
    assert isinstance(request, dg.RunRequest) and request.run_config["deadline"] == "07:30 Asia/Tokyo"
    desk.set(args={**args, "deadline": "2020-01-01T07:30"})
    assert "deadline = 2020-01-01T07:30: has passed" in str(desk.tick())


def test_a_person_goes_first(desk: Desk) -> None:
    desk.record(1)
    desk.set()
    job = defs.resolve_job_def(RECIPE)
    theirs = {"edf_root": "/elsewhere"}
    made = dg.DagsterRunStatus.NOT_STARTED
    run = desk.instance.create_run_for_job(job, run_config=theirs, status=made)
    assert desk.tick() == f"default: a person goes first: run {run.run_id[:8]} of {RECIPE} is not started"
    desk.instance.delete_run(run.run_id)
    own = {POLICY_TAG: "default"}
    run = desk.instance.create_run_for_job(job, run_config=theirs, status=made, tags=own)
    assert f"its run {run.run_id[:8]} is still going" in str(desk.tick())
    desk.instance.delete_run(run.run_id)
    with lease(Needs(memory=1 << 20), holder={"run": "elsewhere", "asset": "x/y"}, on_wait=print):
        assert "a person goes first: x/y (pid " in str(desk.tick())
    assert isinstance(desk.tick(), dg.RunRequest)


def test_a_policy_belongs_to_one_instance(desk: Desk) -> None:
    desk.record(1)
    desk.set(instance="/another/.dagster")
    assert "it belongs to the instance /another/.dagster" in str(desk.tick())
    desk.set(instance=str(store_of(desk.instance).root.parent))
    assert isinstance(desk.tick(), dg.RunRequest)


def test_of_several_policies_one_runs_at_a_time(desk: Desk) -> None:
    desk.record(1)
    common = {"enabled": True, "recipe": RECIPE, "start_hours": [], "new_recordings": 1}
    for name in ("first", "second"):
        edit(desk.file, name, {**common, "args": {"edf_root": str(desk.edf)}})
    request = desk.tick()
    assert isinstance(request, dg.RunRequest) and request.tags[POLICY_TAG] == "first"


def test_the_run_of_blut_auto_is_one_that_the_daemon_knows(desk: Desk) -> None:
    """The daemon makes no run where there is one with the same key, sensor and repository."""
    from sensors.policy.file import read
    from sensors.retraining import evaluate, patiently

    desk.record(1)
    desk.set()
    recipes = [recipe for cookbook in discovered.cookbooks for recipe in cookbook.recipes]
    (one,) = evaluate(desk.instance, read(desk.file), recipes, patiently)
    request = desk.tick()
    assert isinstance(request, dg.RunRequest)
    assert tags_of(one)["dagster/run_key"] == request.run_key
    assert tags_of(one)["dagster/sensor_name"] == desk.sensor.name
    assert json.dumps(dict(one.args)) == json.dumps(dict(request.run_config))
