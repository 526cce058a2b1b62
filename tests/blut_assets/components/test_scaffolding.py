"""What `dg scaffold defs` writes of a recipe: all of its args, as a run without them would have them."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from pydantic import ValidationError

from blut_assets.building import installed
from blut_assets.components import RecipeRun, lookup
from blut_assets.components.scaffolding import RecipeRunParams, RecipeRunScaffolder, document
from blut_assets.recipes import Recipe
from tests.blut_assets.components.test_recipe_run import FOUND, TYPE

RECIPES = [recipe for book in installed().cookbooks for recipe in book.recipes]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_every_arg_is_there_with_its_default_and_its_words(recipe: Recipe) -> None:
    text = document(TYPE, recipe, "nightly")
    loaded = yaml.safe_load(text)
    expected = {name: "" if value == "<required>" else value for name, value in recipe.template().items()}
    assert loaded["attributes"] == {"recipe": recipe.name, "args": expected}
    for name, info in recipe.args.model_fields.items():
        line = next(line for line in text.splitlines() if line.startswith(f"    {name}:"))
        above = text.splitlines()[text.splitlines().index(line) - 1]
        assert above.startswith("    # required; " if info.is_required() else "    # ")


def test_what_is_commented_out_is_what_the_component_takes() -> None:
    lines = document(TYPE, RECIPES[0], "nightly").splitlines()
    shown = [line.replace("  # ", "  ") for line in lines if line.startswith("  # ") and ": " in line]
    attributes = yaml.safe_load("\n".join(["a:", *shown]))["a"]
    fields = {name for name in RecipeRun.model_fields if name not in ("recipe", "args")}
    assert attributes.keys() == fields


def test_it_writes_a_file_or_adds_to_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "installed", lambda: FOUND)
    params = RecipeRunParams(recipe="fixed_train")
    where = tmp_path / "nightly"
    where.mkdir()
    for append in (False, True):
        target = where / "defs.yaml" if append else where
        request = dg.ScaffoldRequest(TYPE, target, "yaml", tmp_path, params, append)
        RecipeRunScaffolder().scaffold(request)
    first, second = yaml.safe_load_all((where / "defs.yaml").read_text())
    assert first == second and first["type"] == TYPE and first["attributes"]["args"]["lr"] == ""


def test_a_recipe_that_there_is_not_is_named_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "installed", lambda: FOUND)
    with pytest.raises(ValidationError, match="did you mean 'fixed_train'"):
        RecipeRunParams(recipe="fixed_tran")
