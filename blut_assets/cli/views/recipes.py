"""Computes the rows of recipes, for `blut recipe list` and the cockpit."""

from typing import Any


def recipe_rows() -> list[dict[str, Any]]:
    """Returns a row for each recipe, by category and name; ``lacks`` has the extras that are not installed.

    Raises:
        UnknownCookbook: $BLUT_COOKBOOKS names one that is not installed.
    """
    from blut_assets.cli.shell.catalogue import recipes
    from blut_assets.extras import lacking

    return [
        {
            "name": one["name"],
            "category": one["category"],
            "backend": one["backend"],
            "input": ", ".join(one["inputs"]) or "-",
            "output": one["ends_in"],
            "lacks": [extra.asked for extra in lacking(one["extras"])],
        }
        for one in recipes()
    ]
