"""The page about a project of one's own, typed line by line: from a project that was just made to a promoted
model, a schedule that runs it, and an asset that takes it."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.recipes.args import args_of
from tests.docs.pages import Block, blocks
from tests.fresh import Fresh

pytestmark = [pytest.mark.heavy, pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(1800)]
PAGE = "docs/inside-your-project.md"
SCRIPTS = {"dg": "dagster_dg_cli.cli", "dagster": "dagster._cli"}
CONDITION = "dg.AutomationCondition.cron_tick_passed('* * * * *')"
EVERY_MINUTE = f"""\
type: blut_assets.components.RecipeRun
attributes:
  recipe: plants_classifier
  automation_condition: "{{{{ dg.AutomationCondition.any_job_root_assets_match({CONDITION}) }}}}"
  args: {{table: "synthetic:rows=600,seed=0"}}
"""


class Reader:
    """Somebody who types what the page shows, in a directory of theirs."""

    def __init__(self, root: Path) -> None:
        self.root = self.here = root
        self.env = Fresh(root / "env", "pip", "hatchling", "editables", "dagster-dg-cli", "dagster-webserver")
        for name, module in SCRIPTS.items():  # linked packages have no scripts
            script = self.env.root / "bin" / name
            called = f'from {module} import main\nif __name__ == "__main__":\n    main()\n'
            script.write_text(f"#!{self.env.python}\n{called}")
            script.chmod(0o755)
        self.said: dict[str, list[str]] = {}

    def read(self, block: Block) -> None:
        """Write a file that begins with its name, or type each line."""
        if block.language == "bash":
            for line in block.text.splitlines():
                self.type(line)
        else:
            path = self.here / block.text.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text)

    def type(self, line: str) -> None:
        if line.startswith("cd "):
            self.here /= line.removeprefix("cd ")
        elif line == "python3 -m venv .venv":
            (self.here / ".venv").symlink_to(self.env.root)
        else:
            self.said.setdefault(line, []).append(self.run(line))

    def run(self, line: str) -> str:
        command = line.replace(".venv/bin/pip ", ".venv/bin/python -m pip ").replace("../blut", "")
        if "--editable" in command:  # what it depends on is there; a project names the newest Dagster
            command = command.replace("dagster-dg-cli dagster-webserver", "") + " --no-deps"
            command = command.replace(" --no-build-isolation", "") + " --no-build-isolation"
        where = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
        env = {**self.env.environment(), **where}
        words = shlex.split(command)
        words[0] = words[0].replace("python3", sys.executable)
        done = subprocess.run(words, cwd=self.here, env=env, capture_output=True, text=True)
        assert done.returncode == 0, line + "\n" + done.stdout + done.stderr
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Reader:
    one = Reader(tmp_path_factory.mktemp("inside"))
    for block in blocks("bash", "python", "yaml"):
        if block.page == PAGE:
            one.read(block)
    return one


@pytest.fixture
def instance(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.setenv("DAGSTER_HOME", str(reader.here / ".dagster_home"))
    with dg.DagsterInstance.get() as found:
        yield found


def test_each_launch_does_what_the_page_says(reader: Reader, instance: dg.DagsterInstance) -> None:
    first, second = reader.said[".venv/bin/dg launch --job nightly"]
    assert "epoch 30" in first and "registered as plants@1" in first
    assert "epoch" not in second and len(re.findall("reused from run", second)) == 3
    listed = "".join(reader.said[".venv/bin/dg list defs"])
    assert "plants_classifier" in listed and "blut_reaper" in listed
    (told,) = reader.said["cat reports/report.md"]
    assert told == "The classifier knows flat, long, round.\n"
    runs = [run for run in instance.get_runs() if run.tags.get("blut/recipe") == "plants_classifier"]
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert [(run.job_name, (args_of(run) or {})["epochs"]) for run in runs] == [
        ("weekly", 40),
        ("nightly", 30),
        ("nightly", 30),
    ]
    assert all(run.tags["team"] == "botany" for run in runs)
    shown = reader.run(f"env COLUMNS=200 DAGSTER_HOME={reader.here}/.dagster_home .venv/bin/blut model list")
    assert "synthetic-demo -> version 1" in shown


def test_what_the_scaffold_writes_is_complete_but_for_what_must_be_said(reader: Reader) -> None:
    reader.run(".venv/bin/dg scaffold defs blut_assets.components.RecipeRun other --recipe plants_classifier")
    written = reader.here / "src/fields/defs/other/defs.yaml"
    try:
        with pytest.raises(AssertionError) as refused:
            reader.run(".venv/bin/dg check defs")
        words = "other/defs.yaml: other: plants_classifier: required argument 'table' is missing"
        assert words in str(refused.value)
        written.write_text(written.read_text().replace("table: ''", "table: synthetic:rows=600,seed=0"))
        reader.run(".venv/bin/dg check defs")
    finally:
        written.unlink()
        written.parent.rmdir()


def test_a_schedule_and_a_condition_launch_it_while_a_daemon_runs(
    reader: Reader, instance: dg.DagsterInstance
) -> None:
    nightly = reader.here / "src/fields/defs/nightly/defs.yaml"
    nightly.write_text(nightly.read_text().replace("0 2 * * *", "* * * * *"))
    (nightly.parent.parent / "eager").mkdir()
    (nightly.parent.parent / "eager" / "defs.yaml").write_text(EVERY_MINUTE)
    target = "-m fields.definitions"
    reader.run(f".venv/bin/dagster sensor start default_automation_condition_sensor {target}")
    daemon = reader.env.start(
        *("-m", "dagster._daemon", "run", *target.split()),
        cwd=reader.here,
        env=reader.env.environment(DAGSTER_HOME=str(reader.here / ".dagster_home")),
    )
    tags = {"nightly": "dagster/schedule_name", "eager": "dagster/from_automation_condition"}
    try:
        found = {name: wait_for(instance, name, tag) for name, tag in tags.items()}
    finally:
        daemon.send_signal(signal.SIGINT)
        daemon.wait(60)
    for run in found.values():
        assert run.status == dg.DagsterRunStatus.SUCCESS and run.run_config == {}
        assert (args_of(run) or {})["table"] == "synthetic:rows=600,seed=0"


def wait_for(instance: dg.DagsterInstance, job: str, tag: str) -> dg.DagsterRun:
    """The first run of a job that has a tag, as soon as it has ended."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        for run in instance.get_runs(dg.RunsFilter(job_name=job)):
            if tag in run.tags and run.is_finished:
                return run
        time.sleep(2)
    raise AssertionError(f"no run of {job} with {tag}")
