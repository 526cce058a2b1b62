"""Names that programs, homes and packages of users lean on stay where they were, wherever the code moves."""

from importlib import import_module
from importlib.metadata import entry_points

import pytest

PUBLIC = [
    ("blut_assets", "HANDLES"),
    ("blut_assets", "build_definitions"),
    ("blut_assets.definitions", "defs"),
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


def test_dg_finds_the_components_in_any_project() -> None:
    points = entry_points(group="dagster_dg_cli.registry_modules")
    assert "blut_assets.components" in {point.value for point in points}
