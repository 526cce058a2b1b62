"""`blut init`: what it writes, what it leaves, and that a wheel leads from there to a promoted codec."""

import json
import os
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.definitions import discovered
from blut_assets.layers.places import cookbook_shelf
from tests.fresh import Fresh

MADE = [".dagster", ".env", ".gitignore", "blut.yaml", "workspace.yaml"]


@pytest.fixture(autouse=True)
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory in which a person stands who has exported nothing."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    monkeypatch.setenv("BLUT_TRAIN_POLICY", str(tmp_path / "policy.toml"))
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    return tmp_path / "mine"


def init(*words: str) -> Result:
    return CliRunner().invoke(app, ["init", *words], prog_name="blut")


def test_it_says_what_it_wrote_and_what_to_type_next(mine: Path) -> None:
    said = init()
    assert said.exit_code == 0 and sorted(path.name for path in mine.iterdir()) == MADE
    assert all(f"\n{name}" in said.stdout for name in MADE) and "policy: off" in said.stdout
    assert len(said.stdout.partition("next:\n")[2].splitlines()) == 3
    assert (mine / ".dagster").stat().st_mode & 0o777 == 0o700
    assert yaml.safe_load((mine / "blut.yaml").read_text()) is None, "nothing is set in it"


def test_a_home_that_is_there_is_refused_and_every_other_file_is_left(mine: Path) -> None:
    (mine / ".gitignore").write_text("mine\n")
    (mine / "blut.yaml").write_text("seed: 3\n")
    said = init()
    assert said.exit_code == 0
    assert "blut.yaml was there already, and is left as it is\n" in said.stdout
    assert ".gitignore was there already" in said.stdout and "add to it: .dagster/*" in said.stdout
    assert (mine / ".gitignore").read_text() == "mine\n" and (mine / "blut.yaml").read_text() == "seed: 3\n"
    before = {path: path.stat().st_mtime_ns for path in mine.rglob("*")}
    again = init()
    assert again.exit_code == 1 and f"{mine}/.dagster is there already" in again.stderr
    assert {path: path.stat().st_mtime_ns for path in mine.rglob("*")} == before


def test_a_file_where_the_directory_would_be_is_named(mine: Path) -> None:
    (mine / "file").touch()
    said = init("file")
    assert said.exit_code == 1 and "file/.dagster: Not a directory; name a directory" in said.stderr


def test_it_says_what_keeps_the_next_command_from_being_of_this_project(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(mine / "other"))
    (mine.parent / "policy.toml").write_text("enabled = true\n")
    (mine.parent / "policy.toml").chmod(0o600)
    said = init("there").stdout
    assert f"DAGSTER_HOME={mine / 'other'} is exported, and wins" in said
    assert f"go there: cd {mine / 'there'}" in said and "policy: 1 on in" in said


def test_what_a_recipe_is_tried_with_are_args_of_it() -> None:
    tried = [recipe for book in discovered.cookbooks for recipe in book.recipes if recipe.demo]
    assert len(tried) >= 8
    for recipe in tried:
        shelf = cookbook_shelf(recipe)
        assert shelf
        recipe.parse(yaml.safe_load(shelf.file(recipe.demo).read_text()))


@pytest.mark.heavy  # links what torch consists of, and trains: minutes
@pytest.mark.e2e
def test_a_wheel_leads_to_a_promoted_codec_beside_a_sensors_module(tmp_path: Path, mine: Path) -> None:
    env = Fresh(tmp_path / "env", "blut[ui,lamquant]")
    (mine / "sensors.py").write_text("raise RuntimeError('imported')\n")
    cache = {"XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(Path.home() / ".cache"))}

    def blut(*words: str) -> str:
        done = env.run(str(env.root / "bin" / "blut"), *words, cwd=mine, **cache)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    *_, first_run = blut("init").splitlines()
    command = first_run.split("  ")[1].strip()
    assert command.startswith("blut recipe run lamquant_joint_codec")
    blut(*command.split()[1:])
    assert "demo" in json.loads(blut("model", "list", "--json"))[0]["aliases"]
