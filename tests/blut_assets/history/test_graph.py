"""The graph of a recipe, shown before there are any args or data."""

import json
import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from blut_assets.cli.app import app
from blut_assets.definitions import discovered
from blut_assets.history.graph import graph
from blut_assets.recipes import Recipe
from blut_assets.stages.spec import COMMON
from blut_resources.instance.instance import open_instance

RECIPES = [recipe for book in discovered.cookbooks for recipe in book.recipes]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["plan", *arguments])


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_arg_reaches_an_asset(recipe: Recipe) -> None:
    with open_instance() as instance:
        found = graph(recipe, instance)
    reached = {name for node in found.nodes for name in node.args}
    idle = {
        name for name, info in recipe.args.model_fields.items() if "changes nothing" in str(info.description)
    }
    assert reached == set(recipe.args.model_fields) - set(COMMON) - idle
    assert set(found.common) == set(COMMON)
    seen: set[str] = set()
    for node in found.nodes:
        assert not (set(node.takes) & {n.asset for n in found.nodes}) - seen, "in the order in which they run"
        seen.add(node.asset)


def test_a_recipe_is_looked_at_before_there_is_data() -> None:
    shown = plan("inspect", "lamquant_joint_codec")
    assert shown.exit_code == 0, shown.stderr
    paragraph = next(p for p in shown.stdout.split("\n\n") if p.startswith("lamquant/joint_checkpoint"))
    assert "lamquant.training_windows from lamquant/training_windows" in paragraph
    assert "2G of memory, a GPU where there is one" in paragraph and "never computed here" in paragraph
    assert re.search(r"args .*\bpreset\b.*\bepochs\b", paragraph) and "val_fraction" not in paragraph


@pytest.mark.parametrize("format_", ["mermaid", "dot"])
def test_edges_carry_types_in_other_languages(format_: str) -> None:
    shown = plan("lamquant_data_prep", "--format", format_).stdout
    arrow = (
        r'a0 -->\|"lamquant.recordings"\| a\d'
        if format_ == "mermaid"
        else (r'"lamquant/recordings" -> "lamquant/lma_corpus" \[label="lamquant.recordings"\]')
    )
    assert re.search(arrow, shown)


def test_a_picture_needs_graphviz_and_says_so() -> None:
    shown = plan("lamquant_data_prep", "--format", "svg")
    if shutil.which("dot"):
        assert "<svg" in shown.stdout
    else:
        assert shown.exit_code == 1 and "install the package graphviz" in shown.stderr


def test_json_has_the_same() -> None:
    shown = json.loads(plan("lamquant_data_prep", "--json").stdout)
    assert [node["makes"] for node in shown["assets"]][:1] == ["lamquant.recordings"]
