"""Names that programs, homes and packages of users lean on stay where they were, wherever the code moves."""

import tomllib
from importlib import import_module
from importlib.metadata import entry_points

import pytest

from tests.conftest import REPOSITORY

PUBLIC = [
    ("blut_assets", "HANDLES"),
    ("blut_assets", "build_definitions"),
    ("blut_assets.definitions", "defs"),
    ("blut_assets", "BlutContainment"),
    ("blut_assets", "BlutRegistry"),
    ("blut_assets", "BlutStore"),
    ("blut_assets", "BlutTracker"),
    ("blut_assets", "ExternalArtifact"),
    ("blut_assets", "external"),
    ("blut_assets", "on_new_version"),
    ("blut_assets.cli", "main"),
    ("blut_assets.components", "RecipeRun"),
    ("blut_assets.recipes", "Cookbook"),
    ("blut_assets.recipes", "Recipe"),
    ("blut_assets.recipes", "RecipeArgs"),
    ("blut_assets.stages", "stage_asset"),
    ("blut_assets.stages", "StageConfig"),
    ("blut_assets.testing", "blut_instance"),
    ("blut_assets.testing", "materialize"),
    ("blut_assets.retrying", "gate_check"),
    ("blut_resources.pipes", "ContainedPipesClient"),
    ("blut_resources.registry", "ModelRegistry"),
    ("blut_resources.store", "ArtifactStore"),
    ("blut_resources.instance_storage", "LockedSqliteStorage"),
    ("blut_resources.compute_logs", "LocalLogs"),
    ("cookbooks.lamquant.payload.codec.checkpoint", "load_checkpoint"),
]


@pytest.mark.parametrize(("module", "name"), PUBLIC)
def test_it_is_imported_from_where_it_always_was(module: str, name: str) -> None:
    assert getattr(import_module(module), name) is not None


def test_the_cookbooks_are_in_the_group_that_packages_join() -> None:
    assert {"lamquant", "llm"} <= {point.name for point in entry_points(group="blut.cookbooks")}


def test_dg_is_told_where_the_components_are() -> None:
    """Of what a package says of itself; an environment that was made before knows less."""
    said = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["entry-points"]
    (module,) = said["dagster_dg_cli.registry_modules"].values()
    assert import_module(module).RecipeRun.__name__ == "RecipeRun"
