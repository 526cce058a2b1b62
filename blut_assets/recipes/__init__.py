"""Defines recipes and the cookbooks that bring them: a domain pack imports this."""

from blut_assets.recipes.args import ArgsError, RecipeArgs, config_from, like
from blut_assets.recipes.cookbook import Cookbook
from blut_assets.recipes.recipe import Metric, Recipe
from blut_assets.recipes.variant import variant

__all__ = ["ArgsError", "Cookbook", "Metric", "Recipe", "RecipeArgs", "config_from", "like", "variant"]
