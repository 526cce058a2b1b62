"""The command as such: help, completion, start-up, the catalogue and the doctor."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from blut_assets import definitions
from blut_assets.artifacts import Artifact
from blut_assets.cli.app import app
from blut_assets.cli.commands import checkup
from blut_assets.discovery import Discovered
from blut_assets.recipes import Cookbook
from blut_assets.stages import Stage, stage_asset
from blut_assets.stages.handles import HANDLES
from blut_assets.terminal.output import columns
from blut_assets.tools import Tool
from blut_resources.instance.instance import open_instance
from blut_resources.machine import environment
from cookbooks.lamquant.samples.synthetic import write_synthetic
from tests.conftest import REPOSITORY
from tests.e2e.box import BLUT

ROOT: Any = get_command(app)


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


@pytest.mark.parametrize(
    ("path", "command"),
    list(commands(ROOT)),
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_each_command_explains_itself(path: tuple[str, ...], command: Any) -> None:
    shown = CliRunner().invoke(app, [*path, "--help"], prog_name="blut")
    assert shown.exit_code == 0, shown.output
    assert f"Usage: blut {' '.join(path)}" in shown.stdout
    assert len(command.help) > 20
    unexplained = [p.name for p in command.params if not getattr(p, "help", None)]
    assert unexplained == []


def groups(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yields the way to every group of commands, the root first."""
    yield path
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from groups(command, (*path, name))


def test_every_help_begins_with_the_usage_and_lists_help_first() -> None:
    ways = [*groups(ROOT), *(path for path, _ in commands(ROOT))]
    assert len(ways) > 40
    for path in ways:
        shown = CliRunner().invoke(app, [*path, "--help"], prog_name="blut").stdout
        assert shown.startswith(" ".join(["Usage: blut", *path])), path
        assert shown.partition("\nOptions:\n")[2].startswith("  -h, --help "), (path, shown)
        assert not path or "--install-completion" not in shown, "that is asked of `blut` itself"


def helps(command: Any, above: Any = None, name: str = "blut") -> Iterator[tuple[str, str]]:
    """Yields the name and the help of every command and group, as wide as the terminal."""
    context = command.make_context(name, [], parent=above, resilient_parsing=True)
    yield context.command_path, command.get_help(context)
    for inner in getattr(command, "commands", ()):
        yield from helps(command.commands[inner], context, inner)


@pytest.mark.parametrize("width", [80, 60])
def test_every_help_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    shown = dict(helps(ROOT))
    assert len(shown) > 60
    wide = [
        f"{path}: {line}" for path, text in shown.items() for line in text.splitlines() if len(line) > width
    ]
    assert wide == []


class ToyMark(Artifact):
    """A mark.

    Attributes:
        passed: whether it is enough.
    """

    kind = "toy.mark"
    passed: bool


@stage_asset(cookbook="toy", group="verdicts", kinds={"text"})
def toy_mark(stage: Stage) -> ToyMark:
    """A mark that says why it is none."""
    (stage.out / "mark").write_text("6")
    stage.show(reasons="6 of the 20 rows that are needed")
    return ToyMark(passed=False)


def test_what_did_not_pass_says_why_beside_it(home: Path) -> None:
    with open_instance() as instance:
        made = dg.materialize([toy_mark], instance=instance, resources={"blut_handles": HANDLES})
    shown = CliRunner().invoke(app, ["results", made.run_id]).stdout
    assert "toy/toy_mark: passed=False: 6 of the 20 rows that are needed" in shown.splitlines()
    (artifact,) = json.loads(CliRunner().invoke(app, ["results", made.run_id, "--json"]).stdout)["artifacts"]
    assert artifact["why"] == "6 of the 20 rows that are needed"


def run(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run([*BLUT, *words], env={**environment, **env}, capture_output=True, text=True)


COOKBOOK = """
from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages.declare import stage_asset
class Jam(Artifact): kind = "jam"
@stage_asset(cookbook="fruit", group="a")
def jam(stage) -> Jam: return Jam()
class Args(RecipeArgs):
    sugar: float = 0.5
recipe = Recipe("make_jam", "test", "Make jam.", Args, [jam], Jam, lambda args: {})
commands = {"press": "fruit_press", "init": "fruit_press"}
def cookbook(): return Cookbook("fruit", [jam], [recipe], commands=commands)
"""
PRESS = """
from blut_assets.terminal.lazy import group
app = group("Presses fruit.")
@app.command()
def juice() -> None:
    print("a glass of juice")
"""


@pytest.mark.slow
def test_a_listing_needs_no_dagster_until_a_source_changes(tmp_path: Path) -> None:
    info = tmp_path / "fruit-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fruit\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nfruit = fruit_pack:cookbook\n")
    (tmp_path / "fruit_pack.py").write_text(COOKBOOK)
    (tmp_path / "fruit_press.py").write_text(PRESS)
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(REPOSITORY))])
    watched = [
        *BLUT[:2],
        BLUT[2].replace(
            "main()", "import sys, atexit; atexit.register(lambda: print('dagster' in sys.modules)); main()"
        ),
    ]

    def given(*words: str) -> tuple[str, bool]:
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"} | {"PYTHONPATH": path}
        done = subprocess.run([*watched, *words], env=env, capture_output=True, text=True)
        text, _, loaded = done.stdout.strip().rpartition("\n")
        return text, loaded == "True"

    def listed() -> tuple[dict[str, Any], bool]:
        text, loaded = given("recipe", "list", "--json")
        return {row["name"]: row for row in json.loads(text)}, loaded

    assert listed()[0]["make_jam"]["output"] == "jam"
    # another command of this checkout may write its own note in between
    assert any(not listed()[1] for _ in range(4)), "the second time Dagster is not needed"
    assert any(given("press", "juice") == ("a glass of juice", False) for _ in range(4)), (
        "nor for its command"
    )
    assert "  press " in given("--help")[0]
    assert "Presses fruit" not in given("init", "--help")[0], "no command of Blut's is replaced"
    (tmp_path / "fruit_pack.py").write_text(COOKBOOK.replace('"make_jam"', '"make_marmalade"'))
    assert "make_marmalade" in listed()[0] and "make_jam" not in listed()[0]


@pytest.mark.slow
def test_the_shell_completes_commands_and_recipes() -> None:
    def completed(line: str) -> list[str]:
        env = {"_BLUT_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
        return run(**env).stdout.split()

    assert {"recipe", "jobs", "doctor"} <= set(completed("blut "))
    for line in ("recipe run", "plan", "plan inspect", "jobs --recipe", "policy enable --recipe"):
        assert completed(f"blut {line} lamquant_j") == ["lamquant_joint_codec"], line
    assert completed("blut stage run lamquant/joint_ch") == ["lamquant/joint_checkpoint"]
    assert "--follow" in completed("blut log --f")


def test_a_template_is_an_args_file() -> None:
    shown = CliRunner().invoke(app, ["recipe", "template", "finetune_from_dataset", "--yaml"])
    values = yaml.safe_load(shown.stdout)
    assert values["dataset_path"] == "<required>" and values["epochs"] == 3
    assert values == json.loads(
        CliRunner().invoke(app, ["recipe", "template", "finetune_from_dataset"]).stdout
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["plan", "no_such_recipe"], "no recipe is called 'no_such_recipe'; there are: "),
        (["recipe", "run", "lamquant_joint_codec", "--set", "tier"], "--set tier: write KEY=VALUE"),
        (["recipe", "run", "lamquant_joint_codec", "--set", "tier=9", "--set", "edf_root=x"], "'tier' = 9"),
        (["recipe", "run", "lamquant_joint_codec", "--args", "[1]"], "expected an object"),
        (
            ["recipe", "run", "lamquant_joint_codec", "--set", "edf_root=data://nothing"],
            "no dataset is called",
        ),
        (["recipe", "run", "lamquant_joint_codec", "--tag", "team"], "--tag team: write KEY=VALUE"),
        (
            ["recipe", "run", "lamquant_joint_codec", "--tag", "a b=c"],
            "a key has letters, digits, _, - and .",
        ),
        (["auto", "--tag", "blut/recipe=x"], "--tag blut/recipe=x: blut/ is for tags that nobody sets"),
        (["auto", "--tag", "a=1", "--tag", "a=2"], "a is given twice, once as '1'"),
        (["job"], "blut: no command is called 'job' (did you mean 'jobs'?); `blut -h` lists them\n"),
        (
            ["recipe", "rum"],
            "blut recipe: no command is called 'rum' (did you mean 'run'?); `blut recipe -h`",
        ),
        (["jobs", "--jsn"], "blut jobs: there is no option --jsn (did you mean '--json'?); `blut jobs -h`"),
        (["--verion"], "blut: there is no option --verion (did you mean '--version'?); `blut -h` lists them"),
        (["log"], "blut log: the argument ID is missing; `blut log -h` says what it is"),
        (["runs", "export", "x", "-o", "y"], "blut runs export: --as is missing; `blut runs export -h` says"),
        (["jobs", "--limit", "x"], "blut jobs: --limit 'x': Input should be a valid integer, "),
        (["runs", "export", "x", "--as", "mlfow"], "--as: 'mlfow' is not one of "),
        (["runs", "export", "x", "--as", "mlfow"], "(did you mean 'mlflow'?); `blut runs export -h` says"),
        (["log", "--follow=3"], "blut log: --follow takes no value; `blut log -h` says what it does"),
        (["runs", "export", "x", "--as"], "blut runs export: --as needs a value; `blut runs export -h`"),
        (["recipe", "list", "x"], "blut recipe list: it takes no more arguments, but 'x' follows; `blut"),
    ],
)
def test_wrong_usage_is_status_2_and_says_what_would_do(home: Path, words: list[str], said: str) -> None:
    refused = CliRunner().invoke(app, words, prog_name="blut")
    assert refused.exit_code == 2 and said in refused.stderr and "Usage:" not in refused.stderr


def test_a_dry_run_is_the_plan(home: Path) -> None:
    words = ["lamquant_joint_codec", "--set", "edf_root=/nowhere"]
    dry = CliRunner().invoke(app, ["recipe", "run", *words, "--dry-run"])
    assert dry.exit_code == 1 and "lamquant/pccp_verdict" in dry.stdout
    assert dry.stdout == CliRunner().invoke(app, ["plan", *words]).stdout
    assert json.loads(CliRunner().invoke(app, ["jobs", "--json"]).stdout) == []


def test_the_version_names_the_commit_of_a_checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPOSITORY, capture_output=True, text=True)
    shown = CliRunner().invoke(app, ["--version"]).stdout
    assert head.returncode or f"+{head.stdout[:12]}" in shown
    monkeypatch.setattr(environment, "SOURCE", tmp_path)
    assert re.fullmatch(r"blut [\w.]+, dagster [\w.]+\n", CliRunner().invoke(app, ["--version"]).stdout)


def test_a_plan_before_the_first_run_calls_nothing_zero_that_it_does_not_know(
    home: Path, tmp_path: Path
) -> None:
    write_synthetic(tmp_path / "eeg", 2, 10, 7, channels=("Fp1",))
    words = ["plan", "lamquant_joint_codec", "--set", f"edf_root={tmp_path / 'eeg'}"]
    total = CliRunner().invoke(app, words).stdout.splitlines()[-1]
    stale, blocked, unknown = re.fullmatch(
        r"(\d+) would be computed, and (\d+) more unless what they depend on comes out unchanged; what (\d+)"
        r" of these would cost is not known",
        total,
    ).groups()  # type: ignore[union-attr]
    assert int(stale) > 0 and int(unknown) == int(stale) + int(blocked)


def test_the_doctor_says_what_holds_a_payload_here(home: Path) -> None:
    shown = CliRunner().invoke(app, ["doctor", "--json"])
    rows = {row["about"]: row for row in json.loads(shown.stdout)}
    assert shown.exit_code == 0, shown.stdout
    assert rows["extra blut[lamquant]"]["state"] == "ok" and str(home) in rows["instance"]["found"]
    held = rows["containment"]
    assert (held["state"] == "ok" and "read back" in held["found"]) or held["remedy"]


@pytest.mark.slow
def test_the_doctor_asks_for_what_cookbooks_and_the_package_declare(monkeypatch: pytest.MonkeyPatch) -> None:
    tools = [
        Tool("no-such-oven", "bread is baked", "buy one"),
        Tool("yeast", "it rises", find=lambda: "fresh"),
    ]
    book = Cookbook("bakery", [], [], extras=["blut[dev]", "no-such-flour[rye]"], tools=tools)
    monkeypatch.setattr(definitions, "discovered", Discovered([book]))
    found = {one.about: one for one in checkup.checkup()}
    assert found["no-such-oven"] == ("no-such-oven", "missing", "bread is baked", "buy one")
    assert found["yeast"].found == "fresh" and found["git"].state == "ok"
    assert found["extra blut[dev]"].state == "ok" and "extra blut[llm]" not in found
    assert found["extra no-such-flour[rye]"].remedy == "pip install 'no-such-flour[rye]'"


def test_the_doctor_is_alarmed_by_a_broken_cookbook_and_an_unwritable_home(tmp_path: Path) -> None:
    info = tmp_path / "broken-0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nbroken = broken_pack:cookbook\n")
    (tmp_path / "broken_pack.py").write_text("import no_such_library\n")
    (tmp_path / "file").touch()
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", str(REPOSITORY))])
    done = run("doctor", "--json", PYTHONPATH=path, DAGSTER_HOME=str(tmp_path / "file" / "home"))
    rows = {row["about"]: row for row in json.loads(done.stdout)}
    assert done.returncode == 1
    assert "no_such_library" in rows["cookbook broken"]["found"] and rows["instance"]["state"] == "broken"
    assert "DAGSTER_HOME" in rows["instance"]["remedy"]
    refused = run("stage", "run", "lamquant/floor_registry", DAGSTER_HOME=str(tmp_path / "file" / "home"))
    assert refused.returncode == 1 and "Not a directory" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1, "no stack trace"


TRIAL = {
    "trial": "12",
    "args": "edf_root=/home/some.body/recordings/of-the-long-study/2026-11-30/sub-001_task-rest_eeg.edf",
    "state": "compute",
    "computes": "lma_corpus, split_manifest, training_windows, mae_checkpoint, joint_checkpoint, verdict",
    "last cost": "not known",
    "peak": "1.5 GiB",
    "leases": "2 CPUs, 1.5 GiB of memory and GPU 0 with 8 GiB",
}
RUN = {
    "id": "3fa2c0de",
    "asset": "lamquant/joint_codec_leaderboard",
    "takes": "joint_checkpoint, SmolLM2-135M-Instruct-GGUF",
    "reason": "its input lamquant/joint_checkpoint has another digest than the one it was made of",
    "why": "",
}


@pytest.mark.parametrize("width", [None, 200, 100, 80, 60, 40])
@pytest.mark.parametrize("row", [TRIAL, RUN], ids=["trial", "run"])
def test_a_table_fits_the_terminal_and_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, row: dict[str, str], width: int | None
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    if width:
        monkeypatch.setenv("COLUMNS", str(width))
    shown = columns([row, {**row, next(iter(row)): "other"}])
    assert all(len(line) <= (width or 80) for line in shown.splitlines())
    for cell in row.values():
        assert all(word in shown.split() for word in cell.split() if len(word) <= (width or 80) - 8)
    assert row["args" if "args" in row else "asset"] in "".join(shown.split()), "a long name goes on"
    assert (len(shown.splitlines()) == 3) == (width == 200 and row is RUN)


def test_what_stands_below_a_row_has_its_name_and_nothing_empty_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    rows = columns([RUN, {**RUN, "reason": ""}]).splitlines()
    assert [line.split() for line in rows[:2]] == [["id", "asset", "why"], ["3fa2c0de", RUN["asset"], "-"]]
    assert [line.split(":")[0] for line in rows if ":" in line] == ["    takes", "    reason", "    takes"]


def test_the_command_imports_no_rich() -> None:
    script = "import sys; from blut_assets.cli.app import app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert {"rich", "dagster"} & set(loaded.split()) == set()
