"""A recipe with partitions: its job, its commands, its plan, its leaderboard, a policy over it, a watch."""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from typer.testing import CliRunner, Result

from blut_assets import definitions
from blut_assets.artifacts import Artifact
from blut_assets.building import assemble
from blut_assets.cli.app import app
from blut_assets.cli.run import launching
from blut_assets.discovery import Discovered
from blut_assets.history import leaderboard
from blut_assets.history.newest import newest
from blut_assets.recipes import ArgsError, Recipe, RecipeArgs
from blut_assets.testing import blut_instance
from sensors.corpus_watch import corpus_watch_sensor
from sensors.policy.file import PolicyFile, parse
from sensors.retraining import evaluate, patiently, retraining_sensor
from tests import parted

__all__ = ["blut_instance"]
FOUND = Discovered([parted.COOKBOOK])
DEFS = assemble(FOUND)
KEYS = parted.SITES.get_partition_keys()
ODD = KEYS[2]


@pytest.fixture(autouse=True)
def _only_this_cookbook(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (definitions, launching):
        monkeypatch.setattr(module, "discovered", FOUND)
        monkeypatch.setattr(module, "defs", DEFS)


def blut(*words: str) -> Result:
    return CliRunner().invoke(app, words, prog_name="blut")


def rows(*words: str) -> Any:
    given = blut(*words, "--json")
    assert given.exit_code in (0, 1), given.output
    return json.loads(given.stdout)


def run(instance: dg.DagsterInstance, key: str, config: dict[str, Any] | None = None) -> Any:
    job = DEFS.resolve_job_def("parted_codec")
    return job.execute_in_process(
        config or {}, instance, partition_key=key, raise_on_error=False, tags={"blut/recipe": "parted_codec"}
    )


@pytest.fixture
def sites(tmp_path: Path) -> dict[str, Any]:
    """A directory for each site, as args."""
    for key in KEYS:
        (tmp_path / "sites" / key).mkdir(parents=True)
        (tmp_path / "sites" / key / "word").write_text(f"{key}!")
    return {"root": f"{tmp_path}/sites/{{partition}}"}


def test_the_command_line_runs_one_several_or_all(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any], tmp_path: Path
) -> None:
    command, args = ("recipe", "run", "parted_codec"), ("--args", json.dumps(sites))
    none = blut(*command, *args)
    assert none.exit_code == 2 and "parted_codec has partitions: say which" in none.stderr
    assert "berlin, kyoto" in none.stderr
    wrong = blut(*command, *args, "--partition", "berlim")
    assert wrong.exit_code == 2 and "no partition 'berlim' (did you mean 'berlin'?)" in wrong.stderr
    assert "has no partitions" in blut("recipe", "run", "parted_report", "--partition", "x").stderr
    assert blut_instance.get_runs_count() == 0
    planned = rows("plan", "parted_codec", *args, "--partition", "kyoto")
    assert {p["asset"]: (p["partition"], p["state"]) for p in planned} == {
        "parted/common": (None, "stale"),
        "parted/place": ("kyoto", "always"),
        "parted/codec": ("kyoto", "blocked"),
    }
    (Path(sites["root"].replace("{partition}", "kyoto")) / "word").write_text("bad")
    done = blut(*command, *args, "--partition", "all")
    assert done.exit_code == 1, done.output
    assert f"3 partitions: 2 succeeded (berlin, {ODD}), 1 failed (kyoto)" in done.stdout
    assert "parted_codec[berlin] succeeded" in done.stdout
    states = {
        p["partition"]: p["state"]
        for p in rows("plan", "parted_codec", *args)
        if p["asset"] == "parted/codec"
    }
    assert states == {"berlin": "fresh", "kyoto": "stale", ODD: "fresh"}
    report = {p["asset"]: p for p in rows("plan", "parted_report")}["parted/report"]
    assert report["state"] == "blocked" and "parted/codec[kyoto]" in report["reason"]
    (Path(sites["root"].replace("{partition}", "kyoto")) / "word").write_text("good")
    assert blut(*command, *args, "--partition", "berlin...kyoto").exit_code == 0
    made = {row["partition"]: row["digest"] for row in rows("recipe", "partitions", "parted_codec")}
    assert [*made] == KEYS and all(made.values())
    assert blut("recipe", "run", "parted_report").exit_code == 0
    assert {p["asset"]: p["state"] for p in rows("plan", "parted_report")}["parted/report"] == "fresh"
    single = blut("stage", "run", "parted/codec", "--partition", ODD, "--output", str(tmp_path / "copy"))
    assert single.exit_code == 0, single.output
    assert (tmp_path / "copy" / "word").read_text() == f"{ODD}! and common"
    other = {
        a["asset"]: a["path"]
        for a in rows("results", newest(blut_instance, [parted.CODEC])[0].run)["artifacts"]
    }
    given = ("stage", "run", "parted/report", "--output", str(tmp_path / "given"))
    assert (
        "codec takes several partitions: write codec[KEY]=PATH" in blut(*given, "--input", "codec=x").stderr
    )
    taken = blut(*given, "--input", f"codec[{ODD}]={other['parted/codec']}")
    assert taken.exit_code == 0, taken.output
    said = (tmp_path / "given" / "word").read_text()
    assert f"{ODD}: {Path(other['parted/codec'], 'word').read_text()}" in said
    assert {job["partition"] for job in rows("jobs") if job["recipe"] == "parted_codec"} == {*KEYS}
    one = newest(blut_instance, [parted.CODEC])
    assert {(n.partition, n.ended) for n in one} == {(key, "succeeded") for key in KEYS}
    assert f"[{ODD}]" in blut("results", one[0].run).stdout or one[0].partition != ODD
    best = leaderboard.results(blut_instance, parted.CODEC, parted.CODEC.metric)  # type: ignore[arg-type]
    assert best[0].partition == ODD and len({r.partition for r in best}) == 3
    board = leaderboard.table(best, parted.CODEC.metric)  # type: ignore[arg-type]
    assert "| partition |" in board and board.replace("\\|", "").count("|") == 6 * len(best) + 12


def test_a_gate_judges_the_partition_of_its_run(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any]
) -> None:
    assert run(blut_instance, "berlin", sites).success
    (Path(sites["root"].replace("{partition}", "kyoto")) / "word").write_text("worse")
    refused = run(blut_instance, "kyoto", sites)
    assert [check.passed for check in refused.get_asset_check_evaluations()] == [False]
    assert {one.partition: one.ended for one in newest(blut_instance, [parted.CODEC])} == {
        "berlin": "succeeded",
        "kyoto": "refused",
    }


def test_a_failed_run_is_resumed_for_its_partition(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any]
) -> None:
    word = Path(sites["root"].replace("{partition}", "kyoto")) / "word"
    word.write_text("bad")
    failed = run(blut_instance, "kyoto", sites)
    assert not failed.success
    word.write_text("good")
    resumed = blut("plan", "resume", failed.run_id)
    assert resumed.exit_code == 0 and "parted_codec[kyoto] succeeded" in resumed.stdout, resumed.output


def test_several_dimensions_are_one_key(blut_instance: dg.DagsterInstance) -> None:
    args = ("--set", "root={partition.tier} of {partition.site} ({partition})", "--partition", "kyoto|l")
    assert blut("recipe", "run", "parted_tier", *args).exit_code == 0
    (run,) = blut_instance.get_runs()
    record = blut_instance.get_latest_materialization_event(parted.tier.key)
    assert record and record.asset_materialization
    assert record.asset_materialization.metadata["word"].value == "l of kyoto (kyoto|l)"
    assert record.asset_materialization.partition == "kyoto|l"
    assert json.loads(blut("results", run.run_id, "--json").stdout)["partition"] == "kyoto|l"
    planned = rows("plan", "parted_tier", *args)
    assert [(one["partition"], one["state"]) for one in planned] == [("kyoto|l", "fresh")]
    wrong = blut("recipe", "run", "parted_tier", "--set", "root={partition.town}", "--partition", "all")
    assert wrong.exit_code == 2 and "names a dimension that partitions do not have" in wrong.stderr


def test_partitions_come_and_go_by_command(blut_instance: dg.DagsterInstance) -> None:
    assert "--add KEY" in blut("recipe", "run", "parted_added", "--partition", "a").stderr
    added = blut("recipe", "partitions", "parted_added", "--add", "a", "--add", "b c")
    assert added.exit_code == 0 and "b c" in added.stdout
    assert blut("recipe", "partitions", "parted_added", "--add", "x...y").exit_code == 2
    assert "partitions of its cookbook" in blut("recipe", "partitions", "parted_codec", "--add", "a").stderr
    assert blut("recipe", "run", "parted_added", "--partition", "b c").exit_code == 0
    assert [bool(row["run"]) for row in rows("recipe", "partitions", "parted_added")] == [False, True]
    assert blut("recipe", "partitions", "parted_added", "--remove", "b c").exit_code == 0
    assert [row["partition"] for row in rows("recipe", "partitions", "parted_added")] == ["a"]


def test_its_job_has_the_form_of_args_and_partitions(blut_instance: dg.DagsterInstance) -> None:
    job = DEFS.resolve_job_def("parted_codec")
    assert job.partitions_def == parted.SITES
    assert {"root", "again"} <= job.run_config_schema.config_type.fields.keys()  # type: ignore[attr-defined]
    without = job.execute_in_process(instance=blut_instance, raise_on_error=False)
    assert "this run says none of them" in str([e for e in without.all_events if e.is_step_failure])
    other = job.execute_in_process(
        {"partition": "berlin"}, blut_instance, partition_key="kyoto", raise_on_error=False
    )
    assert "the args say partition = 'berlin', and the run is for 'kyoto'" in str(other.all_events)
    both = Recipe("both", "test", "x", RecipeArgs, [parted.day, parted.place], Artifact, lambda args: {})
    with pytest.raises(dg.DagsterInvalidDefinitionError, match="parted/day and parted/place have different"):
        both.job()


def test_fixed_args_are_those_of_each_partition(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any]
) -> None:
    jobs = [
        parted.CODEC.fixed("nightly", sites),
        parted.TIER.fixed("tiers", {"root": "{partition.tier}"}),
        parted.ADDED_RECIPE.fixed("others", {}),
    ]
    defs = assemble(Discovered([parted.COOKBOOK]))
    job = dg.Definitions.merge(defs, dg.Definitions(jobs=jobs)).resolve_job_def("nightly")
    tags = job.get_tags_for_partition_key("kyoto", None)
    result = job.execute_in_process(instance=blut_instance, partition_key="kyoto", tags=tags)
    assert result.asset_materializations_for_node("parted__place")[0].metadata["word"].value == "kyoto!"
    (made,) = leaderboard.results(blut_instance, parted.CODEC, parted.CODEC.metric)  # type: ignore[arg-type]
    assert made.partition == "kyoto" and made.args["root"] == sites["root"]
    with pytest.raises(ArgsError, match="names a dimension that partitions do not have"):
        parted.TIER.fixed("tiers", {"root": "{partition.town}"})


def test_a_policy_is_for_one_partition_or_each(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "policy.toml"
    text = 'enabled = true\nrecipe = "parted_codec"\nquiet_hours = []\nmax_age = "30d"\n'
    text += f'args = {{root = "{sites["root"]}"}}\n'

    def wanted(more: str) -> list[tuple[str, str]]:
        file = PolicyFile(path, parse(text + more, path))
        found = evaluate(blut_instance, file, parted.COOKBOOK.recipes, patiently)
        return [(one.policy, type(one.decision).__name__) for one in found]

    with pytest.raises(ValueError, match='give partition = "KEY" for one'):
        wanted("")
    assert wanted('partition = "kyoto"') == [("default[kyoto]", "Run")]
    assert wanted('partition = "osaka"') == [("default[osaka]", "Wait")]
    each = 'partition = "each"'
    names = [f"default[{key}]" for key in KEYS]
    assert wanted(each) == [*zip(names, ("Run", "Wait", "Wait"), strict=True)]
    path.write_text(text + each)
    path.chmod(0o600)
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(path))
    sensor = retraining_sensor(parted.COOKBOOK.recipes, [recipe.job() for recipe in parted.COOKBOOK.recipes])
    result: Any = sensor(dg.build_sensor_context(instance=blut_instance, definitions=DEFS))
    (request,) = result.run_requests
    assert request.partition_key == "berlin"
    job = DEFS.resolve_job_def("parted_codec")
    assert job.execute_in_process(
        request.run_config, blut_instance, partition_key="berlin", tags=request.tags
    ).success
    assert wanted(each) == [*zip(names, ("Wait", "Run", "Wait"), strict=True)], "the next one has its turn"


def test_new_files_of_one_partition_are_noticed(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any]
) -> None:
    for key in KEYS[1:]:
        assert run(blut_instance, key, sites).success
    sensor = corpus_watch_sensor(parted.ASSETS)
    cursor, requests = None, []
    word = Path(sites["root"].replace("{partition}", ODD)) / "word"
    for _ in range(3):
        result: Any = sensor(dg.build_sensor_context(instance=blut_instance, cursor=cursor))
        cursor = result.cursor
        requests = result.run_requests or []
        if not requests and not word.read_text().startswith("new"):
            assert "unchanged" in result.skip_reason.skip_message and "berlin" not in str(cursor)
            word.write_text("new word")
            os.utime(word, (1, 1))
    (request,) = requests
    assert request.partition_key == ODD and request.asset_selection == [parted.place.key]


def test_a_leaderboard_does_not_wait_for_every_partition(
    blut_instance: dg.DagsterInstance, sites: dict[str, Any]
) -> None:
    metric = parted.CODEC.metric
    assert metric is not None
    key = leaderboard.leaderboard_asset("parted", parted.CODEC, metric).key
    assert run(blut_instance, "kyoto", sites).success
    assert leaderboard.say_again(blut_instance, key, parted.CODEC, metric)
    event = blut_instance.get_latest_materialization_event(key)
    assert event and event.asset_materialization
    assert "kyoto" in str(event.asset_materialization.metadata["leaderboard"].value)
