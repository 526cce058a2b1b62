"""Defines what Dagster's `dg` makes of YAML in any project: a component that runs a recipe."""

from blut_assets.components.recipe_run import RecipeRun

__all__ = ["RecipeRun"]
