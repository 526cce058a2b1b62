"""A recipe with its args fixed: a job like any of Dagster's, whose runs count as those of the recipe."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run

from blut_assets.history.leaderboard import results
from blut_assets.history.newest import newest
from blut_assets.recipes import ArgsError
from blut_assets.recipes.args import args_of
from blut_assets.stages import reuse
from blut_assets.stages.external import HANDLES_KEY
from blut_assets.stages.handles import HANDLES
from blut_resources.instance.instance import home_of, open_instance
from blut_resources.runs import manifest
from blut_resources.runs.files import manifest_path
from blut_resources.runs.settings import LONGEST, fixed_args, fixed_tags
from sensors.policy.starter import _chosen
from tests.blut_assets.recipes.toy import METRIC, RECIPE, fixed_score

OP = "fixed__fixed_score"


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with open_instance() as made:
        yield made


def definitions(*jobs: Any, **more: Any) -> dg.Definitions:
    return dg.Definitions([fixed_score], jobs=[RECIPE.job(), *jobs], resources={HANDLES_KEY: HANDLES}, **more)


def run(instance: dg.DagsterInstance, job: Any, config: Mapping[str, Any] | None = None) -> dg.DagsterRun:
    """As a schedule or the daemon launches it: with no config at all, or with another one."""
    resolved = definitions(job).resolve_job_def(job.name)
    done = resolved.execute_in_process(run_config=config or {}, instance=instance)
    found = instance.get_run_by_id(done.run_id)
    assert found is not None
    return found


def reused(instance: dg.DagsterInstance, made: dg.DagsterRun) -> bool:
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    (record,) = instance.get_records_for_run(made.run_id, of_type=kind).records
    assert record.event_log_entry.asset_materialization
    return bool(record.event_log_entry.asset_materialization.metadata[reuse.REUSED].value)


def test_it_runs_as_a_schedule_launches_it_and_counts_as_a_run_of_the_recipe(
    instance: dg.DagsterInstance,
) -> None:
    by_hand = definitions().resolve_job_def("fixed_train")
    values = RECIPE.parse({"lr": 0.5, "note": "a"}).model_dump(mode="json")
    first = by_hand.execute_in_process(run_config=values, instance=instance)
    made = run(instance, RECIPE.fixed("nightly", {"lr": 0.5, "note": "a"}))
    assert made.run_config == {} and reused(instance, made)
    run(instance, RECIPE.fixed("weekly", {"lr": 0.7, "note": "b"}, tags={"team": "eeg"}))
    ranked = results(instance, RECIPE, METRIC)
    assert [(one.args["lr"], one.args["note"]) for one in ranked] == [(0.7, "b"), (0.5, "a")]
    assert ranked[1].run_id == made.run_id, "the same args by hand and by a job are one result"
    (last,) = newest(instance, [RECIPE])
    told = instance.get_run_by_id(last.run)
    assert told and told.job_name == "weekly" and told.tags["team"] == "eeg"
    noted = [manifest.read(manifest_path(home_of(instance), one)) for one in (first.run_id, made.run_id)]
    assert noted[0]["experiment"] == noted[1]["experiment"] and noted[1]["recipe"] == "fixed_train"
    assert noted[1]["config"]["note"] == "a"
    assert _chosen(RECIPE, args_of(made) or {}) == {"lr": 0.5, "note": "a"}


def test_a_run_that_was_given_another_config_stands_for_no_args(instance: dg.DagsterInstance) -> None:
    job = RECIPE.fixed("nightly", {"lr": 1.0})
    whole = RECIPE.run_config(RECIPE.parse({"lr": 1}))
    whole["ops"][OP]["config"]["lr"] = 1  # a browser writes no 1.0
    assert (args_of(run(instance, job, whole)) or {})["lr"] == 1.0
    assert (args_of(run(instance, job, {"execution": {"config": {"in_process": {}}}})) or {})["lr"] == 1.0
    edited = run(instance, job, {"ops": {OP: {"config": {"lr": 3.0}}}})
    assert args_of(edited) is None
    best = results(instance, RECIPE, METRIC)[0]
    assert best.run_id == edited.run_id and best.args["lr"] is None


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ({"lr": 0.1, "epoch": 3}, "nightly: fixed_train: unknown argument 'epoch' = 3; known arguments: "),
        ({}, "nightly: fixed_train: required argument 'lr' is missing"),
        ({"lr": "many"}, "nightly: fixed_train: argument 'lr' = 'many'"),
        ({"lr": 0.1, "words": "here.txt"}, "is relative, and was typed in no directory"),
        ({"lr": 0.1, "note": "see hunter2-hunter2"}, r"argument 'note' holds the value of \$MY_TOKEN"),
    ],
)
def test_bad_args_are_refused_where_the_job_is_defined(
    args: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2-hunter2")
    with pytest.raises(ArgsError, match=words) as refused:
        RECIPE.fixed("nightly", args)
    assert "holds" not in words or "hunter2" not in str(refused.value)


def test_the_name_of_the_recipe_is_not_free() -> None:
    with pytest.raises(ArgsError, match="the recipe's own job has that name"):
        RECIPE.fixed("fixed_train", {"lr": 0.1})


def test_paths_count_from_the_directory_that_is_named(tmp_path: Path) -> None:
    job = RECIPE.fixed("nightly", {"lr": 0.1, "words": "here.txt"}, relative_to=tmp_path)
    assert job.config["ops"][OP]["config"]["words"] == str(tmp_path / "here.txt")


def test_it_is_the_target_of_a_schedule_and_has_a_condition_of_its_own() -> None:
    root = dg.AutomationCondition.any_job_root_assets_match(dg.AutomationCondition.eager())
    job = RECIPE.fixed("nightly", {"lr": 0.1}, automation_condition=root, owners=["team:eeg"])
    nightly = dg.ScheduleDefinition(job=job, cron_schedule="0 2 * * *")
    loaded = definitions(job, schedules=[nightly])
    dg.Definitions.validate_loadable(loaded)
    resolved = loaded.resolve_job_def("nightly")
    assert resolved.automation_condition == root and resolved.owners == ["team:eeg"]
    assert loaded.resolve_schedule_def("nightly_schedule").job_name == "nightly"


def test_a_run_without_the_tags_of_its_job_gets_them(instance: dg.DagsterInstance) -> None:
    """As the daemon launches what a condition asks for."""
    job = definitions(RECIPE.fixed("nightly", {"lr": 0.1})).resolve_job_def("nightly")
    run = instance.create_run_for_job(job, run_config={})
    instance.delete_run(run.run_id)
    bare = instance.add_run(run.with_tags({"dagster/from_automation_condition": "true"}))
    assert execute_run(InMemoryJob(job), bare, instance).success
    made = instance.get_run_by_id(run.run_id)
    assert made and args_of(made) == {**(args_of(made) or {}), "lr": 0.1}
    assert made.tags["blut/recipe"] == "fixed_train" and "dagster/from_automation_condition" in made.tags
    assert [one.run_id for one in results(instance, RECIPE, METRIC)] == [run.run_id]
    assert manifest.read(manifest_path(home_of(instance), run.run_id))["recipe"] == "fixed_train"


def test_a_run_that_starts_after_its_job_was_changed_tells_the_args_that_it_has(
    instance: dg.DagsterInstance,
) -> None:
    """It waited in a queue, or was launched again with the tags of an earlier one."""
    before, after = (
        definitions(RECIPE.fixed("nightly", args)).resolve_job_def("nightly")
        for args in ({"lr": 0.1, "note": "long " * 500}, {"lr": 0.2})
    )
    run = instance.create_run_for_job(before, run_config={}, tags=before.run_tags)
    whole = RECIPE.run_config(RECIPE.parse({"lr": 0.1, "note": "long " * 500}))
    kept = instance.create_run_for_job(before, run_config=whole, tags=before.run_tags)
    for one in (run, kept):
        assert execute_run(InMemoryJob(after), one, instance).success
    told = [args_of(made) for one in (run, kept) if (made := instance.get_run_by_id(one.run_id))]
    assert [(args or {})["lr"] for args in told] == [0.2, 0.1]


def test_long_args_are_in_several_tags_that_a_database_takes() -> None:
    args = {"subjects": [f"subject-{number}" for number in range(500)], "note": "ä" * 300}
    tags = fixed_tags(args, {"ops": {}})
    assert len(tags) > 5 and max(map(len, tags.values())) <= LONGEST
    assert fixed_args({}, tags) == json.loads(json.dumps(args))
