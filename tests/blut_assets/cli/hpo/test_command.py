"""A search over real runs: what is paused goes on where it was, and the best is run as any other run."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from blut_assets.cli.app import app
from blut_assets.cli.hpo.command import BEST_TAG, HPO
from blut_assets.hpo.journal import JOURNAL
from blut_assets.sweeps.record import SWEEP_TAG, SweepRecord
from tests.e2e.box import BLUT
from tests.e2e.scene import Scene, until
from tests.installed import install
from tests.searched import recipe

SPACE = ("--space", "lr=loguniform(1e-3,1)")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[Scene]:
    """With the recipe that has something to search."""
    scene = Scene(tmp_path / "scene")
    install(scene.root / "site", "searched", "tests.searched")
    behave(scene)
    scene.log.touch()
    yield scene
    scene.close()


def behave(scene: Scene, **how: Any) -> None:
    scene.how.write_text(json.dumps({"log": str(scene.log), **how}))


def said(scene: Scene, what: str) -> list[list[str]]:
    return [line.split()[1:] for line in scene.log.read_text().splitlines() if line.startswith(what)]


def record_of(scene: Scene) -> SweepRecord:
    (head,) = (scene.home / "sweeps").glob("*/sweep.json")
    return SweepRecord(scene.home, head.parent.name)


def test_what_is_paused_goes_on_and_the_best_is_run_once_more(scene: Scene) -> None:
    behave(scene, epoch_s=0.3)
    words = (
        "hpo",
        "run",
        "searched",
        "--space",
        "lr=choice(0.001,0.1,0.9)",
        "--algo",
        "grid",
        "--set",
        "epochs=4",
    )
    done = scene.blut(*words, "--metric", "val_loss", "--prune", "asha", "--max", "4")
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(scene)
    trials = record.trials()
    assert sorted(one.outcome for one in trials.values()) == ["pruned", "pruned", "succeeded"]
    assert len(said(scene, "epoch")) <= 2 * 2 + 5, "two paused after their first epoch, or just behind it"
    starts = {lr: first for lr, first in said(scene, "start")}
    (best,) = (one for one in trials.values() if one.outcome == "succeeded")
    assert int(starts[repr(best.overrides["lr"])]) > 0, "it went on from its checkpoint"
    found = json.loads((record.place / HPO).read_text())
    assert found["best"]["run"] == best.run_id and found["status"] == 0
    rows = json.loads(scene.blut("jobs", "--json").stdout)
    states = [row["state"] for row in rows]
    assert states[0] == "success" and states.count("pruned") == len(rows) - 2
    manifest = json.loads((scene.home / "runs" / rows[0]["id"] / "manifest.json").read_text())
    assert manifest["tags"][BEST_TAG] == record.id and SWEEP_TAG not in manifest["tags"]
    assert [one["state"] for one in manifest["assets"].values()] == ["reused"]
    shutil.rmtree(record.place)
    again = scene.blut(*words, "--metric", "val_loss", "--prune", "asha", "--max", "4")
    assert again.returncode == 0 and "was lost" in again.stderr, again.stderr
    budgets = {number: (one.budget, len(one.attempts)) for number, one in record_of(scene).trials().items()}
    assert budgets == {number: (one.budget, len(one.attempts)) for number, one in trials.items()}
    assert sorted(budget for budget, _ in budgets.values() if budget) == [1, 1], "it pauses where it did"


@pytest.mark.heavy
def test_a_search_that_was_killed_goes_on_and_is_the_same_search(scene: Scene, tmp_path: Path) -> None:
    words = ("hpo", "run", "searched", *SPACE, "--seed", "3")
    whole = scene.blut(*words, "--trials", "8")
    assert whole.returncode == 0, whole.stdout + whole.stderr
    values = [(one.overrides["lr"], one.facts["final"]) for one in record_of(scene).trials().values()]
    other = Scene(tmp_path / "other")
    install(other.root / "site", "searched", "tests.searched")
    gate = tmp_path / "gate"
    behave(other, gate=str(gate), log=str(other.log))
    other.log.touch()
    killed = other.start([*BLUT, *words, "--trials", "5"])
    until(lambda: len(said(other, "epoch")) >= 1)
    (head,) = (other.home / "sweeps").glob("*/sweep.json")
    os.kill(killed.pid, signal.SIGKILL)
    gate.touch()
    killed.wait()
    for count in ("5", "8"):
        again = other.blut(*words, "--trials", count)
        assert again.returncode == 0, again.stdout + again.stderr
        assert (head.parent / JOURNAL).exists() and ("was lost" in again.stderr) is (count == "8")
        shutil.rmtree(head.parent)
    shown = other.blut("sweep", "show", head.parent.name)
    assert shown.returncode == 0 and "made again of" in shown.stderr, shown.stderr
    assert "the same `blut hpo run` goes on with it" in other.blut("sweep", "resume", head.parent.name).stderr
    again = other.blut(*words, "--trials", "8")
    assert "8 trials, 8 of them done before" in again.stderr, again.stderr
    record = SweepRecord(other.home, head.parent.name)
    assert [(one.overrides["lr"], one.facts["final"]) for one in record.trials().values()] == values
    other.close()


@pytest.mark.heavy
def test_few_train_to_the_end(scene: Scene) -> None:
    behave(scene, epoch_s=0.1)
    choices = "lr=choice(" + ",".join(f"{0.001 * 1.3**n:.4f}" for n in range(26)) + ",0.1)"
    done = scene.blut(
        "hpo", "run", "searched", "--space", choices, "--algo", "grid", "--trials", "27", "--jobs", "2",
        *("--set", "epochs=27", "--metric", "val_loss", "--prune", "asha", "--max", "27", "--eta", "3"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    record = record_of(scene)
    assert json.loads((record.place / HPO).read_text())["best"]["overrides"] == {"lr": 0.1}
    assert len(said(scene, "epoch")) < 0.6 * 27 * 27


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--space", "lr=1,2"], "--space lr=1,2: write KEY=loguniform(LOW,HIGH)"),
        (["--space", "rl=uniform(0,1)"], "--space rl: searched has no argument 'rl'"),
        (["--space", "lr=choice(0.1,x)"], "lr"),
        ([*SPACE, "--set", "lr=0.1"], "--set lr and --space lr"),
        ([*SPACE, *SPACE], "both searched"),
        ([*SPACE, "--algo", "grid"], "a grid tries every value"),
        ([*SPACE, "--min", "2"], "--min is for pruning by rungs"),
        ([*SPACE, "--prune", "asha", "--max", "9"], "trains for 3 epochs; give --set epochs=9 too"),
        ([*SPACE, "--prune", "asha", "--min", "3"], "so nothing could be pruned before"),
        ([*SPACE, "--prune", "asha", "--space", "epochs=int(2,9)"], "and are compared after equally many"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_before_anything_runs(
    monkeypatch: pytest.MonkeyPatch, home: Path, words: list[str], told: str
) -> None:
    named: Callable[[str], Any] = lambda _name: recipe  # noqa: E731
    monkeypatch.setattr("blut_assets.cli.run.arguments.recipe_called", named)
    found = CliRunner().invoke(app, ["hpo", "run", "searched", *words], prog_name="blut")
    assert found.exit_code == 2 and told in found.stderr, found.stderr
    assert not (home / "sweeps").exists()
