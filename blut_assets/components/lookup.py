"""Finds the recipe that a project names."""

from blut_assets.building import installed
from blut_assets.recipes import ArgsError, Cookbook, Recipe
from blut_resources.text import meant


class RecipeLeftOut(ArgsError):
    """Says that a recipe is not there, and may be one of a cookbook that is left out."""


def recipe_called(name: str) -> tuple[Recipe, Cookbook]:
    """Returns the recipe, and the installed cookbook that brings it.

    Raises:
        ArgsError: there is none; the message says which there are.
        RecipeLeftOut: the same where cookbooks are left out; it says which, and why.
    """
    found = installed()
    recipes = {recipe.name: (recipe, book) for book in found.cookbooks for recipe in book.recipes}
    if name in recipes:
        return recipes[name]
    there = ", ".join(sorted(recipes)) or "none"
    out = "".join(f"; the cookbook {book} is left out: {why}" for book, why in found.left_out.items())
    kind = RecipeLeftOut if out else ArgsError
    raise kind(f"recipe = {name!r}: no such recipe{meant(name, recipes)}; there are: {there}{out}")
