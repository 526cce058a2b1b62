"""A sweep of real runs: what its trials share is computed once, and the same command goes on with it."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.sweeps.record import SWEEP_TAG, TRIAL_TAG, SweepRecord
from tests.contained import recipe
from tests.e2e.scene import Scene


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    scene = Scene(tmp_path_factory.mktemp("sweep") / "scene")
    yield scene
    scene.close()


def starts(scene: Scene) -> int:
    return sum(line.startswith("start ") for line in scene.log.read_text().splitlines())


def newest(scene: Scene) -> SweepRecord:
    heads = sorted((scene.home / "sweeps").glob("*/sweep.json"), key=lambda path: path.stat().st_mtime)
    return SweepRecord(scene.home, heads[-1].parent.name)


def test_a_sweep_runs_each_trial_and_the_same_command_runs_again_only_what_failed(scene: Scene) -> None:
    command = ("recipe", "run", "contained", "--sweep", "epochs=range(2,4)", "--sweep", "word=a,b")
    scene.behave(exit=3)
    first = scene.blut(*command, "--fail-fast", "--jobs", "1")
    assert first.returncode == 1 and "1 failed, 3 not begun" in first.stdout, first.stdout + first.stderr
    scene.behave()
    ahead = json.loads(scene.blut(*command, "--dry-run", "--json").stdout)
    assert [row["state"] for row in ahead["trials"]] == ["compute"] * 4
    assert ahead["stages"] == {"contained/trained": 2, "contained/judged": 2}
    second = scene.blut(*command, "--jobs", "2")
    assert second.returncode == 0 and "4 of 4 trials succeeded" in second.stdout, (
        second.stdout + second.stderr
    )
    record = newest(scene)
    assert f"\n  blut sweep results {record.short}  all trials" in second.stderr.partition("next:")[2]
    assert (
        first.stdout.rpartition("sweep ")[2] != ""
        and record.short in first.stdout
        and record.short in second.stdout
    )
    assert starts(scene) == 2, "a word changes no result, so it is computed once for both"
    third = scene.blut(*command)
    assert third.returncode == 0 and "4 of them done before" in third.stderr, third.stderr
    apart = json.loads(scene.blut("jobs", "--json", "--sweep", record.id[:6]).stdout)
    assert len(apart) == 5, "nothing ran again"
    rows = json.loads(scene.blut("jobs", "--json", "-n", "1").stdout)
    assert rows[0]["state"] == "success" and rows[0]["id"] == record.id and rows[0]["progress"] == "4/4"
    assert "sweep of contained" in scene.blut("jobs").stdout
    shutil.rmtree(record.place)
    shown = scene.blut("sweep", "show", record.id[:6], "--json")
    assert "made again of 4 runs" in shown.stderr, shown.stderr
    rows = json.loads(shown.stdout)["trials"]
    assert [(row["state"], row["args"]) for row in rows] == [
        ("succeeded", {"epochs": epochs, "word": word}) for epochs in (2, 3) for word in "ab"
    ]
    fourth = scene.blut(*command)
    assert "4 of them done before" in fourth.stderr, fourth.stderr
    log = Path(scene.home / "runs" / record.trials()[1].run_id / "terminal.log").read_text()
    assert "trial 1 of sweep" in log and "contained succeeded" in log
    tags = json.loads((scene.home / "runs" / record.trials()[4].run_id / "manifest.json").read_text())["tags"]
    assert tags[SWEEP_TAG] == record.id and tags[TRIAL_TAG] == "4"
    assert tags["blut/overrides"] == "epochs=3 word=b"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--sweep", "epoch=1,2"], "no argument 'epoch' (did you mean 'epochs'?)"),
        (["--sweep", "epochs=1,x"], "trial epochs=x"),
        (["--sweep", "epochs=1,2", "--set", "epochs=3"], "one value, or several"),
        (["--sweep", "epochs=1", "--sweep", "epochs=2"], "epochs is an axis twice"),
        (["--sweep", "epochs=1,"], "a value is missing"),
        (["--sweep", "epochs=range(3),4"], "range(...) stands alone"),
        (["--sweep-file", "/nowhere.yaml"], "No such file"),
        (["--jobs", "2"], "--jobs is for a sweep"),
        (["--retry-failed", "no"], "--retry-failed is for a sweep"),
    ],
)
def test_a_sweep_that_makes_no_sense_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    monkeypatch.setattr("blut_assets.cli.run.arguments.recipe_called", lambda _name: recipe)
    refused = CliRunner().invoke(app, ["recipe", "run", "contained", *words], prog_name="blut")
    assert refused.exit_code == 2 and told in refused.stderr, refused.output
