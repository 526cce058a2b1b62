"""Computes the results of each recipe, the best first, for the cockpit; the UI has them as an asset."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.recipes import Recipe

SHOWN = 50
"""Results of a recipe at most."""


def ranked_rows(instance: "dg.DagsterInstance", recipes: "Sequence[Recipe]") -> list[dict[str, Any]]:
    """Returns a row for each result of each recipe that has a metric, those of a recipe together.

    As ``recipe``, ``metric``, ``best`` (``highest`` or ``lowest``), ``place`` among those that were measured
    on the same (None for one that is not ranked), ``value``, ``run``, ``at`` in seconds since 1970,
    ``partition`` (empty where there is none), ``on`` (on what it was measured, where not all were on the
    same), ``args``: those in which the results of the recipe differ, and ``all_args``.
    """
    from blut_assets.history.leaderboard import differing, measured_on, places, results

    rows = list[dict[str, Any]]()
    for recipe in recipes:
        if recipe.metric is None:
            continue
        found = results(instance, recipe, recipe.metric)
        names = differing(found)
        about = zip(found[:SHOWN], places(found, recipe.metric), measured_on(found), strict=False)
        for one, place, on in about:
            rows.append(
                {
                    "recipe": recipe.name,
                    "metric": recipe.metric.fact,
                    "best": recipe.metric.best,
                    "place": place,
                    "value": one.facts.get(recipe.metric.fact),
                    "run": one.run_id,
                    "at": one.at,
                    "partition": one.partition,
                    "on": on,
                    "args": {name: one.args.get(name) for name in names},
                    "all_args": dict(one.args),
                }
            )
    return rows
