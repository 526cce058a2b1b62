"""Finds the recipe that a project names."""

from blut_assets.building import installed
from blut_assets.recipes import ArgsError, Cookbook, Recipe
from blut_resources.text import meant


def recipe_called(name: str) -> tuple[Recipe, Cookbook]:
    """Returns the recipe, and the installed cookbook that brings it.

    Raises:
        ArgsError: there is none; the message says which there are, and which cookbooks were left out and why.
    """
    found = installed()
    recipes = {recipe.name: (recipe, book) for book in found.cookbooks for recipe in book.recipes}
    if name in recipes:
        return recipes[name]
    there = ", ".join(sorted(recipes)) or "none"
    out = "".join(f"; the cookbook {book} is left out: {why}" for book, why in found.left_out.items())
    raise ArgsError(f"recipe = {name!r}: no such recipe{meant(name, recipes)}; there are: {there}{out}")
