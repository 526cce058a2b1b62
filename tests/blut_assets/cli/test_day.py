"""A day of use: what ran, how far it is, what came of it, and going on with what was stopped."""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.storage.tags import REPOSITORY_LABEL_TAG
from typer.testing import Result

from sensors.policy.history import POLICY_TAG
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT
from tests.e2e.scene import PATIENCE_S, Scene, until
from tests.forked import RUN, server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

Blut = Callable[..., Result]


def jobs(blut: Blut) -> list[dict[str, str]]:
    """The runs of the day, the first one first."""
    return json.loads(blut("jobs", "--json").stdout)[::-1]


def test_what_a_file_of_the_project_says_is_there_already(day: Scene, tmp_path: Path) -> None:
    (tmp_path / "blut.yaml").write_text("defaults: [length: four]\nrecipes: {contained: {word: x}}\n")
    (tmp_path / "configs/length").mkdir(parents=True)
    (tmp_path / "configs/length/four.yaml").write_text("epochs: 4\n")
    (tmp_path / "configs/length/nine.yaml").write_text("epochs: 9\n")

    def said(*words: str) -> str:
        done = server(*RUN).run([*BLUT[1:], *words], day.environment(), tmp_path)
        assert done.returncode == 0, done.stderr
        return done.stdout

    plan = {one["asset"]: one["state"] for one in json.loads(said("plan", "contained", "--json"))}
    assert plan["contained/trained"] == "fresh", plan
    assert "would be computed, and 1 more" in said("plan", "contained", "--config", "length=nine")


def test_a_run_in_a_pipe_says_each_event_in_a_line_and_the_outcome_on_standard_output(day: Scene) -> None:
    said = (day.root / "first.err").read_text()
    assert [re.sub(r", [\d.]+ s left", "", line[9:]) for line in said.splitlines() if "epoch" in line] == [
        f"contained/trained: epoch {n}/3: loss={loss}" for n, loss in enumerate(["1", "0.5", "0.3333"])
    ], "of how many, whatever time they take"
    assert "\r" not in said and "\x1b" not in said
    out = (day.root / "first.out").read_text()
    assert "contained/trained  computed" in out and "contained succeeded: 2 computed" in out
    assert "epoch" not in out.replace("epochs", "")


def test_a_run_ends_with_commands_that_work(day: Scene, blut: Blut) -> None:
    said = (day.root / "first.err").read_text().partition("next:\n")[2].splitlines()
    commands = [line.split("  ")[1].split() for line in said]
    assert [words[1] for words in commands] == ["results", "lineage", "ui"] and all(map(len, commands))
    for name, *words in (words[1:] for words in commands[:-1]):
        done = blut(name, *words)
        assert done.exit_code == 0 and "contained/" in done.stdout, done.output


@pytest.mark.parametrize(
    ("words", "of"),
    [
        (["recipe", "run", "contained", "--set", "epochs=6"], "/6 "),
        (["stage", "run", "contained/trained", "--config", '{"epochs": 9}'], "/9 "),
    ],
)
def test_a_run_on_a_terminal_shows_epoch_loss_time_left_and_memory(
    day: Scene, words: list[str], of: str
) -> None:
    day.behave(epoch_s=0.6)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*BLUT, *words],
        env=day.environment(TERM="xterm"),
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            shown += os.read(ours, 1 << 16)
        except OSError:  # nobody has the other end any more
            break
    os.close(ours)
    day.behave()
    assert process.wait() == 0
    lines = shown.decode().split("\r\x1b[K")
    wanted = (" epoch ", of, "ETA", "MiB", "loss=")  # of some epoch: a busy machine shows not each of them
    assert any(all(word in line[:80] for word in wanted) for line in lines), lines


def test_what_a_failed_run_did_not_come_to_is_said_in_a_line_each(day: Scene) -> None:
    day.behave(exit=3)
    said = day.blut("recipe", "run", "contained", "--set", "epochs=8").stderr.splitlines()
    day.behave()
    assert "exit status 3" in next(line for line in said if "contained/trained: FAILED: " in line)
    last = said[said.index("next:") - 1]
    assert last.endswith("contained/judged: not reached") and not any("ERROR" in line for line in said)


def assert_shown_in_the_ui(run: dg.DagsterRun | None) -> None:
    """With its job, and on the timeline."""
    (place,) = yaml.safe_load((REPOSITORY / "workspace.yaml").read_text())["load_from"]
    assert run is not None and run.remote_job_origin is not None and run.job_name == "contained"
    repository = run.remote_job_origin.repository_origin
    assert repository.code_location_origin.location_name == place["python_module"]["location_name"]
    assert run.tags_for_storage()[REPOSITORY_LABEL_TAG] == repository.get_label()


def test_the_ui_shows_a_run_of_a_terminal_with_its_job(day: Scene, blut: Blut) -> None:
    with day.instance() as instance:
        run = instance.get_run_by_id(jobs(blut)[0]["id"])
    assert_shown_in_the_ui(run)


def test_a_retraining_of_cron_is_shown_like_a_run_of_a_person(day: Scene, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    policy.write_text(
        'enabled = true\nrecipe = "contained"\nmax_age = "1d"\nquiet_hours = []\nargs = {epochs = 3}\n'
    )
    done = subprocess.run(
        [*BLUT, "auto", "--tag", "team=eeg"],
        env=day.environment(BLUT_TRAIN_POLICY=str(policy)),
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "default: retrain: there was none yet" in done.stdout and "contained succeeded" in done.stdout
    assert "contained/trained: done after" in done.stderr, "its events, for the log of cron"
    with day.instance() as instance:
        (run,) = instance.get_runs(dg.RunsFilter(tags={POLICY_TAG: "default"}))
    assert run.tags["team"] == "eeg"
    assert_shown_in_the_ui(run)


def test_jobs_say_state_recipe_and_how_far_or_why_not(day: Scene, blut: Blut) -> None:
    first, second, third = jobs(blut)[:3]
    assert [run["state"] for run in (first, second, third)] == ["success", "success", "failure"]
    assert first["recipe"] == "contained" and first["progress"] == "contained/trained epoch=2 loss=0.3333"
    assert "exit status 3" in third["progress"] and float(first["seconds"]) > 0
    table = blut("jobs", "--recipe", "contained").stdout
    assert first["id"][:8] in table and "id" in table.splitlines()[0]
    assert json.loads(blut("jobs", "--recipe", "other", "--json").stdout) == []


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["jobs", "--recipe", "lamquant_data_pre"], "'lamquant_data_prep'"),
        (["lineage", "READM.md"], "'README.md'"),
    ],
)
def test_a_name_that_nothing_has_is_answered_with_the_nearest(
    blut: Blut, monkeypatch: pytest.MonkeyPatch, words: list[str], near: str
) -> None:
    monkeypatch.chdir(REPOSITORY)
    assert f"(did you mean {near}?)" in blut(*words).output


def test_a_log_is_readable_whole_at_its_end_and_as_json(day: Scene, blut: Blut) -> None:
    first, _, third = jobs(blut)[:3]
    whole = blut("log", first["id"][:12]).stdout.splitlines()
    assert any("contained/trained: epoch 1: loss=0.5" in line for line in whole)
    assert blut("log", first["id"], "--tail", "2").stdout.splitlines() == whole[-2:]
    events = [json.loads(line) for line in blut("log", first["id"], "--json").stdout.splitlines()]
    assert len(events) == len(whole) and {"step_start", "asset_materialization"} <= {
        e["kind"] for e in events
    }
    failed = blut("log", third["id"]).stdout
    assert "contained/trained: FAILED: " in failed and "contained/judged: not reached\n" in failed
    assert "Dependencies for step" not in failed and "ERROR" not in failed
    unknown = blut("log", "zzz")
    assert unknown.exit_code == 2 and "begins with 'zzz'; `blut jobs` lists them" in unknown.stderr


def test_results_are_metrics_artifacts_and_the_best_epoch(day: Scene, blut: Blut) -> None:
    first, _, third = jobs(blut)[:3]
    found = json.loads(blut("results", first["id"], "--json", "--metric", "loss").stdout)
    assert found["best"]["epoch"] == 2 and found["state"] == "success"
    (loss,) = [row for row in found["metrics"]["contained/trained"] if row["metric"] == "loss"]
    assert loss["highest"] == 1 and loss["last"] == loss["lowest"] == pytest.approx(1 / 3)
    trained = next(one for one in found["artifacts"] if one["asset"] == "contained/trained")
    assert trained["facts"] == {"epochs": 3} and (Path(trained["path"]) / "model").is_file()
    assert trained["digest"][:12] in blut("results", first["id"]).stdout
    assert "exit status 3" in blut("results", third["id"]).stdout
    unknown = blut("results", first["id"], "--metric", "los")
    assert unknown.exit_code == 2 and "--metric los (did you mean 'loss'?)" in unknown.stderr


def test_a_diff_names_args_inputs_and_results_that_differ_and_nothing_else(day: Scene, blut: Blut) -> None:
    first, second, _ = jobs(blut)[:3]
    rows = json.loads(blut("runs", "diff", first["id"], second["id"], "--json").stdout)
    found = {(row["about"], row["what"]): (row["a"], row["b"]) for row in rows}
    assert found["args", "epochs"] == (3, 4)
    assert found["args", "word"] == ("", str(day.root / "talk.jsonl")), "data:// stood for the path"
    assert found["result", "contained/trained loss, last epoch"] == (pytest.approx(1 / 3), 0.25)
    assert ("input", "contained/judged trained") in found and not {a for a, _ in found} & {"source"}
    assert ("cost", "contained/trained compute_seconds") in found, (
        "which is no difference between equal results"
    )
    assert "no difference" in blut("runs", "diff", first["id"], first["id"]).stdout


def test_a_run_is_watched_cancelled_from_elsewhere_and_resumed(day: Scene, blut: Blut) -> None:
    gate = day.root / "gate"
    day.behave(gate=str(gate), gate_at=1)
    process = day.start(day.recipe(epochs=7))
    day.tree()
    until(lambda: "contained/trained: epoch 1/7" in day.said(), process=process)
    (running,) = json.loads(blut("jobs", "--running", "--json").stdout)
    assert running["state"] == "started"
    assert "has not ended" in blut("plan", "resume", running["id"]).stderr
    command = [*BLUT, "log", running["id"][:8], "--follow"]
    watching = subprocess.Popen(
        command, env=day.environment(), cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    time.sleep(1)
    assert "is cancelled" in blut("cancel", running["id"][:8]).stdout
    assert process.wait(PATIENCE_S) in (130, 1, -signal.SIGINT)
    assert "contained/trained: interrupted" in day.said() and "FAILED" not in day.said()
    seen = watching.communicate(timeout=PATIENCE_S)[0]
    assert watching.returncode == 130 and "epoch 1: loss=0.5" in seen
    gate.touch()
    resumed = day.blut("plan", "resume", running["id"][:8])
    assert resumed.returncode == 0, resumed.stderr
    assert day.happened("resumed-at-2 "), day.log.read_text()
    newest = jobs(blut)[-1]
    assert newest["state"] == "success"
    again = blut("plan", "resume", newest["id"])
    assert again.exit_code == 1 and "nothing to resume" in again.stderr


def test_one_stage_is_made_by_itself_and_handed_out(day: Scene, tmp_path: Path) -> None:
    out = tmp_path / "out"
    asked = ("--tag", "team=eeg", "--tag", "for/whom=the day's review")
    done = day.blut("stage", "run", "contained/judged", "--output", str(out), *asked)
    assert done.returncode == 0, done.stderr
    with day.instance() as instance:
        assert instance.get_runs(dg.RunsFilter(tags={"team": "eeg", "for/whom": "the day's review"}), limit=1)
    assert "contained/judged  reused" in done.stdout and len((out / "word").read_text()) == 8
    word = tmp_path / "new" / "word.txt"
    assert day.blut("stage", "run", "contained/judged", "--output", str(word)).returncode == 0
    assert word.read_text() == (out / "word").read_text(), "one file, under the name that was given"
    piped = day.blut("stage", "run", "contained/judged", "--output", "-")
    assert piped.returncode == 0 and piped.stdout == word.read_text(), "nothing but the bytes"
    assert "contained/judged  reused" in piped.stderr
    for words, said in (
        (("contained/traned",), "no stage is called 'contained/traned' (did you mean 'contained/trained'?)"),
        (("contained/trained", "--config", '{"epoch": 3}'), "no such field epoch (did you mean 'epochs'?)"),
        (("contained/judged", "--output", str(out)), "is there already"),
    ):
        refused = day.blut("stage", "run", *words)
        assert refused.returncode == 2 and said in refused.stderr


def test_a_file_or_a_pipe_stands_for_what_an_input_made_last(day: Scene, blut: Blut, tmp_path: Path) -> None:
    for epochs in (13, 14):
        made = day.blut("stage", "run", "contained/trained", "--config", json.dumps({"epochs": epochs}))
        assert made.returncode == 0, made.stderr
    results = [json.loads(blut("results", run["id"], "--json").stdout) for run in jobs(blut)[-2:]]
    older = results[0]["artifacts"][0]
    model = tmp_path / "model-of-thirteen"
    shutil.copyfile(Path(older["path"]) / "model", model)

    def judged(*words: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        command = [*BLUT, "stage", "run", "contained/judged", "--output", "-", *words]
        return subprocess.run(
            command, env=day.environment(), cwd=REPOSITORY, input=stdin, capture_output=True
        )

    of_newest = judged().stdout
    for done in (
        judged("--input", f"trained={model}"),
        judged("--input", f"trained={older['path']}"),
        judged("--input", "trained=-", stdin=model.read_bytes()),
    ):
        assert done.returncode == 0 and done.stdout == model.read_bytes()[:8] != of_newest, done.stderr
    assert judged().stdout == of_newest, "what was given is not what the asset made last"
    (found,) = json.loads(blut("lineage", "--json", model, "--down").stdout)
    assert [way["asset"] for one in found["made_of_it"] for way in one["made"]] == ["contained/judged"]
    assert found["digest"] == older["digest"]
    foreign = tmp_path / "foreign"
    foreign.write_text("from elsewhere")
    for word, said in (
        (f"trained={foreign}", b"no run of this history made these bytes"),
        (f"trained={tmp_path / 'nothing'}", b"there is no such file or directory"),
        (f"model={model}", b"has no input 'model'; there are trained"),
        ("trained", b"write NAME=PATH"),
    ):
        refused = judged("--input", word)
        assert refused.returncode == 2 and said in refused.stderr and refused.stdout == b""


def test_what_has_more_than_one_file_is_no_stream(day: Scene, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / "raw").write_text("given")
    day.behave(big=10)
    command = ["stage", "run", "contained/trained", "--input", f"raw={folder}", "--output"]
    refused = day.blut(*command, "-")
    day.behave()
    assert refused.returncode == 1 and refused.stdout == ""
    assert "a directory of 2 files (big, model)" in refused.stderr
    copied = tmp_path / "x.gguf"
    assert day.blut(*command, str(copied)).returncode == 0 and sorted(p.name for p in copied.iterdir()) == [
        "big",
        "model",
    ]


def test_a_stage_by_itself_leaves_the_record_of_each_epoch_that_a_recipe_leaves(
    day: Scene, blut: Blut
) -> None:
    made = day.blut("stage", "run", "contained/trained", "--config", '{"epochs": 12}')
    assert made.returncode == 0 and "contained/trained: epoch 11/12" in made.stderr, made.stderr
    run = jobs(blut)[-1]
    assert run["progress"] == "contained/trained epoch=11 loss=0.08333"
    (loss,) = json.loads(blut("results", run["id"], "--json").stdout)["metrics"]["contained/trained"]
    assert (loss["metric"], loss["highest"], loss["highest_epoch"], loss["lowest_epoch"]) == (
        "loss",
        1,
        0,
        11,
    )


NAMES = {"metrics": 1, "values": 1, "packages": 1, "args": 1, "template": 1, "schema": 9}
"""Under these the keys are names that others gave: of assets, metrics, packages, arguments."""


def keys_of(value: object, free: int = 0) -> Iterator[str]:
    """The keys of all objects in JSON, but for ``free`` levels of them."""
    if isinstance(value, list):
        for one in value:
            yield from keys_of(one, free)
    if isinstance(value, dict):
        yield from () if free else value
        for key, inner in value.items():
            yield from keys_of(inner, max(free - 1, 0) or NAMES.get(key, 0))


def test_the_keys_of_json_are_identifiers(day: Scene, blut: Blut) -> None:
    (day.root / "bad.jsonl").write_text('{"text": "one"}\n{\n')
    assert blut("data", "add", "bad", day.root / "bad.jsonl", "--accept-bad", "--json").exit_code == 0
    one, other = (row["id"] for row in jobs(blut)[:2])
    for words in (
        *(["jobs"], ["doctor"], ["model", "list"], ["recipe", "list"], ["stage", "list"], ["policy", "show"]),
        *(["results", one, "--metric", "loss"], ["runs", "diff", one, other]),
        *(["data", "list"], ["data", "show", "bad"], ["data", "check", "bad"]),
        *(["cache", "show", "--all"], ["cache", "prune", "--dry-run"]),
    ):
        done = blut(*words, "--json")
        said = done.stdout
        assert done.exit_code in (0, 1) and said, (words, done.output)
        found = json.loads(said)
        strange = [key for key in keys_of(found) if not re.fullmatch("[a-z][a-z0-9_]*", key)]
        assert not strange, (words, strange)
