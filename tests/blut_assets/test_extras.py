"""A recipe whose packages are not installed is marked, and refused before it runs."""

import json
import os
import subprocess
from pathlib import Path

import dagster as dg
import pytest

from blut_assets.extras import extra, lacking
from blut_assets.recipes import ArgsError
from cookbooks.lamquant.recipes.catalogue import RECIPES
from tests.conftest import REPOSITORY
from tests.contained import recipe
from tests.e2e.box import BLUT

METADATA = """\
Metadata-Version: 2.1
Name: fruit
Version: 0
Provides-Extra: baking
Provides-Extra: plain
Requires-Dist: no-such-flour; extra == "baking"
Requires-Dist: no-such-yeast>=2; extra == "baking"
Requires-Dist: pydantic>=999; extra == "plain"
"""
COOKBOOK = """
from blut_assets.artifacts import Artifact
from blut_assets.recipes import Cookbook, Recipe, RecipeArgs
from blut_assets.stages.declare import stage_asset
class Jam(Artifact): kind = "jam"
@stage_asset(cookbook="fruit", group="a")
def jam(stage) -> Jam: return Jam()
recipe = Recipe("make_jam", "test", "Make jam.", RecipeArgs, [jam], Jam, lambda args: {})
def cookbook(): return Cookbook("fruit", [jam], [recipe], extras=["fruit[baking]"])
"""
NEEDS = "fruit[baking], of which no-such-flour, no-such-yeast are not installed: pip install 'fruit[baking]'"


@pytest.fixture
def fruit(tmp_path: Path) -> Path:
    place = tmp_path / "site"
    info = place / "fruit-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(METADATA)
    (info / "entry_points.txt").write_text("[blut.cookbooks]\nfruit = fruit_pack:cookbook\n")
    (place / "fruit_pack.py").write_text(COOKBOOK)
    return place


def blut(place: Path, home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(place), str(REPOSITORY)])
    env = {**os.environ, "DAGSTER_HOME": str(home), "PYTHONPATH": path, **env}
    return subprocess.run([*BLUT, *words], env=env, capture_output=True, text=True)


def test_what_is_missing_is_not_what_is_there_in_another_version(
    fruit: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(fruit)
    assert [one.told for one in lacking(["fruit[baking]", "fruit[plain]", "blut[lamquant]"])] == [NEEDS]
    (other,) = extra("fruit[plain]").other
    assert other.startswith("pydantic ") and other.endswith(" is not >=999")
    assert extra("no-such-farm[milk]").missing == ("no-such-farm",)


def test_the_job_of_a_recipe_is_refused_too(fruit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(fruit)
    job = dg.Definitions(
        assets=recipe.assets,
        jobs=[recipe.job(["fruit[baking]"])],
        resources={"blut_handles": dg.mem_io_manager},
    ).resolve_job_def("contained")
    with pytest.raises(ArgsError, match="contained needs fruit"):
        job.execute_in_process(run_config={"epochs": 1})


@pytest.mark.heavy
@pytest.mark.slow
def test_a_recipe_without_its_packages_is_marked_and_refused_with_the_line_that_brings_them(
    fruit: Path, home: Path
) -> None:
    env = {"BLUT_COOKBOOKS": "fruit,lamquant"}
    shown = blut(fruit, home, "recipe", "list", **env).stdout.splitlines()
    (marked,) = (line for line in shown if line.startswith("make_jam"))
    assert marked.endswith("pip install 'fruit[baking]'") and shown[0].endswith("not installed")
    rows = json.loads(blut(fruit, home, "recipe", "list", "--json", **env).stdout)
    lacks = {row["name"]: row["lacks"] for row in rows}
    assert lacks.pop("make_jam") == ["fruit[baking]"]
    assert lacks.keys() == {recipe.name for recipe in RECIPES}, "and none of a cookbook that was not chosen"
    assert not any(lacks.values())
    assert f"It needs {NEEDS}" in blut(fruit, home, "recipe", "show", "make_jam", **env).stdout
    for words in (("recipe", "run", "make_jam"), ("stage", "run", "fruit/jam")):
        refused = blut(fruit, home, *words, **env)
        assert refused.returncode == 1 and refused.stderr == f"{words[-1]} needs {NEEDS}\n"
    assert json.loads(blut(fruit, home, "jobs", "--json", **env).stdout) == [], "nothing was started"


@pytest.mark.heavy
@pytest.mark.slow
def test_a_cookbook_that_is_not_there_is_refused_by_name(home: Path) -> None:
    for words in (("recipe", "list"), ("plan", "lamquant_joint_codec"), ("doctor",)):
        refused = blut(home, home, *words, BLUT_COOKBOOKS="llm,lamqant")
        assert refused.returncode == 2 and "no cookbook is called 'lamqant'" in refused.stderr
        assert "did you mean 'lamquant'?" in refused.stderr and len(refused.stderr.splitlines()) == 1
    assert blut(home, home, "plan", "lamquant_joint_codec", BLUT_COOKBOOKS="llm").returncode == 2
