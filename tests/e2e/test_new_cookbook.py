"""What `blut cookbook new` writes, as somebody has it who has nothing but wheels: it runs and is gated."""

import json
import os
import random
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import blocks
from tests.fresh import Fresh, built

pytestmark = [pytest.mark.slow, pytest.mark.e2e]
NAME = f"shapes{os.getpid()}"
"""Of the cookbook; a process of it is told by its name from those of other tests."""
RECIPE = f"{NAME}_classifier"
MADE = [f"{NAME}/{asset}" for asset in ("split", "classifier", "classifier_verdict")]
DEMO = {"table": "synthetic:rows=2000,seed=0", "epochs": 30, "promote_as": f"{NAME}@synthetic-demo"}
PLANTS = "plants"
"""What the page calls its cookbook."""
LEADERBOARD = f"""
import dagster as dg
key = dg.AssetKey(["{NAME}", "{RECIPE}_leaderboard"])
with dg.DagsterInstance.get() as instance:
    event = instance.get_latest_materialization_event(key)
    print(event.asset_materialization.metadata["leaderboard"].value)
"""


class Book:
    """The generated project, installed, and a directory elsewhere with an instance."""

    def __init__(self, root: Path) -> None:
        self.env = Fresh(root / "env", "pytest", "pip", "hatchling", "editables", "dagster-dg-cli")
        self.project, self.work = root / "project", root / "work"
        self.work.mkdir()
        self.blut("init", ".")
        self.blut("cookbook", "new", NAME, str(self.project))
        self.env.install(built(self.project, root / "wheels"))

    def blut(self, *words: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        done = self.env.run(str(self.env.root / "bin" / "blut"), *words, cwd=self.work)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def recipe(self, args: dict[str, Any], status: int = 0) -> subprocess.CompletedProcess[str]:
        return self.blut("recipe", "run", RECIPE, "--args", json.dumps(args), status=status)

    def results(self, done: subprocess.CompletedProcess[str]) -> dict[str, str]:
        """Asset -> computed, reused, observed or executed, as the command printed it."""
        return dict(re.findall(rf"^({NAME}/\w+) +(\w+)", done.stdout, re.MULTILINE))

    def aliases(self) -> str:
        return json.loads(self.blut("model", "list", "--json").stdout)[0]["aliases"]

    def state(self) -> int:
        """The epoch of the checkpoint in the work directory of a training that goes on."""
        found = list((self.work / ".dagster" / "store").glob("**/state.json"))
        return json.loads(found[0].read_bytes())["epoch"] if found else 0


@pytest.fixture(scope="module")
def book(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Book]:
    yield Book(tmp_path_factory.mktemp("new"))


def test_it_is_found_and_its_definitions_are_green(book: Book) -> None:
    listed = json.loads(book.blut("recipe", "list", "--json").stdout)
    assert RECIPE in {one["name"] for one in listed}
    dg = "from dagster_dg_cli.cli import main; main()"
    for words in (("-m", "dagster", "definitions", "validate"), ("-c", dg, "check", "defs")):
        done = book.env.run(*words, cwd=book.project, DAGSTER_HOME=str(book.work / ".dagster"))
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_training_killed_with_9_resumes_is_promoted_and_is_reused(book: Book) -> None:
    words = [str(book.env.root / "bin" / "blut"), "recipe", "run", RECIPE, "--args", json.dumps(DEMO)]
    run = book.env.start(*words, cwd=book.work, env=book.env.environment())
    deadline = time.monotonic() + 120
    while book.state() < 3:
        assert run.poll() is None and time.monotonic() < deadline, "it ended before its third epoch"
        time.sleep(0.02)
    os.kill(payload(f"{NAME}.payload.classifier_train"), signal.SIGKILL)
    assert run.wait(60) == 1
    reached = book.state()
    assert 3 <= reached < DEMO["epochs"]
    resumed = book.recipe(DEMO)
    epochs = [int(number) for number in re.findall(r"classifier: epoch (\d+)\b", resumed.stderr)]
    assert epochs == list(range(reached + 1, DEMO["epochs"] + 1))
    assert "promoted=True" in resumed.stdout and book.aliases() == "synthetic-demo -> version 1"
    again = book.results(book.recipe(DEMO))
    assert {asset: again[asset] for asset in MADE} == dict.fromkeys(MADE, "reused")


def test_a_bad_model_is_refused_and_gets_no_name(book: Book, tmp_path: Path) -> None:
    chance, table = random.Random(0), tmp_path / "noise.csv"
    rows = (f"{chance.random()},{chance.random()},{chance.choice('ab')}" for _ in range(400))
    table.write_text("\n".join(["x,y,label", *rows]))
    before = book.aliases() if (book.work / ".dagster" / "store" / "registry").exists() else ""
    done = book.recipe({"table": str(table), "epochs": 2, "promote_as": f"{NAME}@staging"}, status=1)
    assert "whole accuracy is 0." in done.stdout + done.stderr, done.stderr
    assert f"{NAME}/promoted_classifier" not in book.results(done)
    assert book.aliases() == (before or "-")


@pytest.mark.heavy
def test_its_metric_is_on_a_leaderboard(book: Book) -> None:
    book.recipe({**DEMO, "epochs": 2, "promote_as": ""})
    key = f'key:"{NAME}/{RECIPE}_leaderboard"'
    words = ("asset", "materialize", "-m", "blut_assets.definitions", "--select", key)
    made = book.env.run("-m", "dagster", *words, cwd=book.work)
    assert made.returncode == 0, made.stderr
    home = str(book.work / ".dagster")
    shown = book.env.run("-c", LEADERBOARD, cwd=book.work, DAGSTER_HOME=home)
    head, _, first, *_ = shown.stdout.splitlines()
    assert "**accuracy ↑** | passed | worst_recall" in head
    assert re.match(r"\| 1 \| 0\.9\d* \| true \|", first), first


def test_who_follows_the_page_has_a_promoted_model_and_a_stage_more(book: Book) -> None:
    """Its own tests pass on the way."""
    package = book.work.parent / PLANTS / "src" / PLANTS
    said = []
    for block in (block for block in blocks("bash", "python") if block.page == "docs/cookbook.md"):
        if block.language == "bash":
            said += [typed(book, line) for line in block.text.splitlines()]
            continue
        path, _, text = block.text.removeprefix("# ").partition("\n")
        (package.parent.parent / path).write_text(text)
        recipes = (package / "recipes.py").read_text()
        recipes = recipes.replace("split, classifier,", "split, classifier, weight_table,")
        imports = f"from {PLANTS}.verdict import"
        recipes = recipes.replace(imports, f"from {PLANTS}.weights import weight_table\n{imports}")
        (package / "recipes.py").write_text(recipes)
    whole = "\n".join(said)
    assert "alias=plants@synthetic-demo" in whole and "12 passed" in whole
    assert {"round", "flat", "long"} == set(json.loads((book.work / "weights/weights.json").read_text()))


def typed(book: Book, line: str) -> str:
    """What a line of the page says, typed in a directory beside that of the package."""
    line = line.replace(".venv/bin/pip ", ".venv/bin/python -m pip ")
    command = line.replace(".venv", str(book.env.root))
    done = subprocess.run(
        shlex.split(command), cwd=book.work, env=book.env.environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, line + done.stdout + done.stderr
    return done.stdout


def payload(module: str) -> int:
    """The process that runs a payload module."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")[:-1]
        except OSError:
            continue
        if words and words[-1] == module.encode() and any(b"payloads/start.py" in word for word in words):
            return int(path.parent.name)
    raise AssertionError(f"no process runs {module}")
