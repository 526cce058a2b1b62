"""What people do with Dagster's own means to the assets of Blut, and what comes of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from blut_assets.artifacts import Artifact
from blut_assets.retrying import gate_check
from blut_assets.stages import StageConfig, stage_asset
from blut_resources.instance.instance import open_instance
from tests import choosable
from tests.conftest import REPOSITORY
from tests.forked import RUN, server
from tests.scripted import RESOURCES

RETRIES = "run_retries: {enabled: true, max_retries: 3}\n"
WHAT_RUNS_AGAIN = "dagster/will_retry"


class Note(Artifact):
    """A line of text."""

    kind = "guest.note"
    words: int


class NoteConfig(StageConfig):
    """What the line says, or how its making fails."""

    text: str = "hello"
    fails: str = ""


def _write(stage: Any, text: str) -> Note:
    (stage.out / "note").write_text(text)
    return Note(words=len(text.split()))


@stage_asset(cookbook="guest", group="notes")
def first(stage, config: NoteConfig) -> Note:
    """The first line."""
    if config.fails:
        raise dg.Failure(config.fails, allow_retries=config.fails != "hopeless")
    return _write(stage, config.text)


@stage_asset(cookbook="guest", group="notes")
def second(stage, first: Note) -> Note:
    """What was made of it."""
    return _write(stage, (stage.open(first) / "note").read_text().upper())


@gate_check(asset=first, name="short")
def short(context: dg.AssetCheckExecutionContext, first: Note) -> dg.AssetCheckResult:
    """It has few words."""
    return dg.AssetCheckResult(passed=first.words < 3)


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """A persistent instance of which failed runs are run again."""
    with (home / "dagster.yaml").open("a") as file:
        file.write(RETRIES)
    with open_instance() as instance:
        yield instance


def run(instance: dg.DagsterInstance, *selected: Any, **config: Any) -> dg.ExecuteInProcessResult:
    """Materialize with this config of the first asset."""
    ops = {"ops": {"guest__first": {"config": config}}} if config else {}
    checks = [one for one in selected if isinstance(one, dg.AssetChecksDefinition)]
    chosen = [one.key for one in selected if one not in checks]
    return dg.materialize(
        [first, second, *checks],
        selection=dg.AssetSelection.assets(*chosen) if chosen else None,
        resources=RESOURCES,
        instance=instance,
        run_config=ops,
        raise_on_error=False,
    )


def why(result: dg.ExecuteInProcessResult) -> str:
    """What the first step that failed said."""
    event = next(event for event in result.all_events if event.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    return str(failure.description if failure else event.step_failure_data.error)


def test_what_was_reported_by_hand_is_no_input_and_the_way_out_is_named(instance: dg.DagsterInstance) -> None:
    assert run(instance).success
    instance.report_runless_asset_event(dg.AssetMaterialization(first.key))
    said = why(run(instance, second))
    assert "guest/first (reported outside of any run" in said
    assert "Materialize guest/first itself, or select it too" in said
    again = run(instance)
    assert again.success, "which is what the message says"
    reused = again.asset_materializations_for_node("guest__first")[0].metadata["reused"]
    assert reused.value is True


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"artifact": "hello"}, "names no artifact of Blut"),
        ({"artifact": {"digest": "../../etc/passwd"}}, "names no artifact of Blut"),
        ({"artifact": {"digest": "a" * 64, "pages": 3}, "blut/spec": "x"}, "no Note as it is declared now"),
    ],
)
def test_what_others_report_about_an_asset_ends_nothing_with_a_stack_trace(
    instance: dg.DagsterInstance, metadata: dict[str, Any], words: str
) -> None:
    instance.report_runless_asset_event(dg.AssetMaterialization(first.key, metadata=metadata))
    instance.report_runless_asset_event(dg.AssetObservation(first.key, metadata={"artifact": "seen"}))
    said = why(run(instance, second))
    assert words in said and "Materialize guest/first" in said
    assert run(instance).success


def test_a_wiped_asset_is_asked_for(instance: dg.DagsterInstance) -> None:
    assert run(instance).success
    instance.wipe_assets([first.key])
    assert "guest/first was never materialized, or wiped" in why(run(instance, second))


def test_only_what_may_pass_is_run_again(instance: dg.DagsterInstance) -> None:
    """``will_retry`` is what the daemon of the deployment goes by."""

    def runs_again(result: dg.ExecuteInProcessResult) -> bool:
        tags = instance.get_run_by_id(result.run_id).tags  # type: ignore[union-attr]
        return tags[WHAT_RUNS_AGAIN] == "true"

    assert runs_again(run(instance, fails="the disk is away"))
    assert not runs_again(run(instance, fails="hopeless"))
    assert not runs_again(run(instance, second)), "an input that is not there"
    assert not runs_again(run(instance, short, text="more words than two")), "a gate that said no"


def test_a_run_that_re_executes_a_hopeless_one_is_judged_by_its_own_end(instance: dg.DagsterInstance) -> None:
    hopeless = run(instance, fails="hopeless")
    tags = instance.get_run_by_id(hopeless.run_id).tags  # type: ignore[union-attr]
    inherited = {name: value for name, value in tags.items() if name != WHAT_RUNS_AGAIN}
    again = dg.materialize(
        [first],
        resources=RESOURCES,
        instance=instance,
        tags=inherited,
        run_config={"ops": {"guest__first": {"config": {"fails": "the disk is away"}}}},
        raise_on_error=False,
    )
    assert instance.get_run_by_id(again.run_id).tags[WHAT_RUNS_AGAIN] == "true"  # type: ignore[union-attr]


def _declared(**options: Any) -> dg.AssetsDefinition:
    source = options.pop("source", False)

    @stage_asset(cookbook="guest", group="notes", source=source, **options)
    def other(stage) -> Note:
        return _write(stage, "other")

    return other


def test_options_of_dagster_reach_its_asset() -> None:
    policy, condition = dg.RetryPolicy(max_retries=2), dg.AutomationCondition.eager()
    asset = _declared(
        source=True,
        tags={"team": "eeg"},
        metadata={"wiki": "w"},
        pool="gpu",
        op_tags={"note": "x"},
        retry_policy=policy,
        automation_condition=condition,
        deps=[first],
        partitions_def=dg.StaticPartitionsDefinition(["a"]),
        backfill_policy=dg.BackfillPolicy.multi_run(),
    )
    spec = asset.get_asset_spec()
    assert spec.tags["team"] == "eeg" and spec.metadata["wiki"] == "w" and "artifact_kind" in spec.metadata
    assert spec.automation_condition == condition and [dep.asset_key for dep in spec.deps] == [first.key]
    assert asset.op.retry_policy == policy and asset.op.pool == "gpu" and asset.op.tags["note"] == "x"
    assert asset.backfill_policy == dg.BackfillPolicy.multi_run()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"code_version": "1"}, "code_version is not taken: it is computed from the source"),
        ({"io_manager_key": "s3"}, "io_manager_key is not taken"),
        ({"check_specs": []}, "write an `@dg.asset_check` beside it"),
        ({"deps": [first]}, "take it as a parameter"),
        ({"backfill_policy": dg.BackfillPolicy.single_run()}, "each partition has a result of its own"),
        ({"frobnicate": 1}, "there is no such option; of Dagster's it takes tags, metadata, pool"),
    ],
)
def test_an_option_that_would_break_a_promise_is_refused_by_name(options: Any, words: str) -> None:
    with pytest.raises(TypeError, match="stage asset guest/other") as refused:
        _declared(**options)
    assert words in str(refused.value)


def _materialize_in(directory: Path, select: str) -> str:
    """What `dagster asset materialize` says in a directory that has no instance."""
    environment = {name: value for name, value in os.environ.items() if name != "DAGSTER_HOME"}
    environment["PYTHONPATH"] = str(REPOSITORY)
    command = ["-m", "dagster", "asset", "materialize", "-m", "tests.torn", "--select", select]
    done = server(*RUN).run(command, environment, directory)
    assert done.returncode == 1
    return done.stderr


def test_without_an_instance_the_first_thing_said_is_that(tmp_path: Path) -> None:
    for select in ("torn/last", "torn/first"):
        said = _materialize_in(tmp_path, select)
        assert "this Dagster instance is temporary and would forget the result" in said
        assert "never materialized" not in said


@pytest.mark.heavy
def test_what_dg_scaffolds_is_loaded_and_dg_has_nothing_to_complain_of(home: Path, tmp_path: Path) -> None:
    """In a checkout of its own, with a virtual environment that is not activated."""
    for name in ("blut_assets", "blut_resources", "cookbooks", "sensors"):
        shutil.copytree(REPOSITORY / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    (tmp_path / ".venv").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    environment.pop("VIRTUAL_ENV", None)

    def dg_command(*words: str) -> str:
        script = "from dagster_dg_cli.cli import main; main()"
        command = [sys.executable, "-c", script, *words]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "virtual environment" not in done.stdout + done.stderr
        return done.stdout

    dg_command("scaffold", "defs", "dagster.asset", "scaffolded.py")
    given = tmp_path / "blut_assets" / "defs" / "given.py"
    given.write_text(
        "import dagster as dg\nfrom blut_assets import BlutStore\n\n\n@dg.definitions\ndef given():\n"
        f"    return dg.Definitions(resources={{'blut_store': BlutStore(root='{tmp_path}/elsewhere')}})\n"
    )
    assert '"scaffolded"' in dg_command("list", "defs", "--json")
    script = "from pathlib import Path; from blut_assets.cli.app import app;"
    script += "app(['jobs'], standalone_mode=False);"
    script += "from blut_resources.instance.home import store_root; print(store_root(Path('/home')))"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True)
    assert f"{tmp_path}/elsewhere" in done.stdout, "its commands look where its runs write"


def _executed(tmp_path: Path, **execution: Any) -> set[str]:
    """The kinds of events of a recipe's run from Dagster's own command line."""
    config = tmp_path / "args.yaml"
    config.write_text(json.dumps({"logger": "none", **execution}))
    command = [
        "-m",
        "dagster",
        "job",
        "execute",
        "-m",
        "tests.choosable",
        "-j",
        "choosable",
        "-c",
        str(config),
    ]
    done = server(*RUN).run(command, os.environ, REPOSITORY)
    assert done.returncode == 0, done.stderr[-3000:]
    with open_instance() as instance:
        (run,) = instance.get_runs(limit=1)
        logs = instance.all_logs(run.run_id)
        return {entry.dagster_event.event_type_value for entry in logs if entry.dagster_event}


@pytest.mark.usefixtures("home")
def test_the_executor_of_a_recipe_can_be_chosen_and_is_in_process_otherwise(tmp_path: Path) -> None:
    assert "STEP_WORKER_STARTED" not in _executed(tmp_path)
    chosen = {"config": {"multiprocess": {"max_concurrent": 1}}}
    assert "STEP_WORKER_STARTED" in _executed(tmp_path, execution=chosen)


def test_an_executor_that_there_is_not_is_refused_before_the_run() -> None:
    job = choosable.defs.resolve_job_def("choosable")
    dg.validate_run_config(job, {"execution": {"config": {"in_process": {}}}})
    with pytest.raises(dg.DagsterInvalidConfigError, match="kubernetes"):
        dg.validate_run_config(job, {"execution": {"config": {"kubernetes": {}}}})
    everything = choosable.defs.resolve_implicit_global_asset_job_def()
    dg.validate_run_config(everything, {"execution": {"config": {"multiprocess": {"max_concurrent": 2}}}})


@pytest.mark.usefixtures("home")
def test_a_project_may_have_sensors_and_cookbooks_of_its_own(tmp_path: Path) -> None:
    """In the working directory, which is the first place that Python looks at."""
    (tmp_path / "sensors.py").write_text("mine = 1\n")
    (tmp_path / "cookbooks").mkdir()
    (tmp_path / "cookbooks" / "__init__.py").write_text("mine = 1\n")

    def python(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, *words], cwd=tmp_path, capture_output=True, text=True)

    floors = ["--select", "lamquant/floor_registry"]
    made = python("-m", "dagster", "asset", "materialize", "-m", "blut_assets.definitions", *floors)
    assert made.returncode == 0, made.stderr[-3000:]
    assert (
        "lamquant_joint_codec"
        in python("-c", "from blut_assets.cli import main; main()", "recipe", "list").stdout
    )

    theirs_first = python("-c", "import sensors, blut_assets.definitions")
    assert f"{tmp_path}/sensors.py was imported as `sensors`" in theirs_first.stderr
    assert "rename it, import `blut_assets` before it, or give Blut a code location" in theirs_first.stderr
