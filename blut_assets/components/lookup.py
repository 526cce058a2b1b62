"""Finds the recipe that a project names."""

import difflib

from blut_assets.building import installed
from blut_assets.recipes import ArgsError, Recipe


def recipe_called(name: str) -> Recipe:
    """Returns the recipe of an installed cookbook.

    Raises:
        ArgsError: there is none; the message says which there are, and which cookbooks were left out and why.
    """
    found = installed()
    recipes = {recipe.name: recipe for book in found.cookbooks for recipe in book.recipes}
    if name in recipes:
        return recipes[name]
    near = difflib.get_close_matches(name, recipes, 1)
    meant = f" (did you mean {near[0]!r}?)" if near else ""
    there = ", ".join(sorted(recipes)) or "none"
    out = "".join(f"; the cookbook {book} is left out: {why}" for book, why in found.left_out.items())
    raise ArgsError(f"recipe = {name!r}: no such recipe{meant}; there are: {there}{out}")
