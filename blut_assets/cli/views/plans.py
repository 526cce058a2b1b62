"""Computes what a run would do, an asset a row, for `blut plan` and the cockpit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dagster as dg

    from blut_assets.history.planning import Planned
    from blut_assets.recipes import Recipe, RecipeArgs


def planned_assets(
    instance: "dg.DagsterInstance",
    recipe: "Recipe",
    args: "RecipeArgs",
    partitions: Sequence[str | None] = (None,),
) -> "list[Planned]":
    """Returns the plan of a run with these args, or of one for each partition, in the order of the run."""
    from blut_assets.definitions import discovered
    from blut_assets.history.planning import plan

    beside = [asset for cookbook in discovered.cookbooks for asset in cookbook.assets]
    planned = dict[str, "Planned"]()
    for key in partitions:
        for one in plan(instance, recipe.assets, recipe.configs(args, key), key, beside):
            # what has no partitions is made once for all of them
            planned.setdefault(f"{one.asset} {one.partition}", one)
    return [*planned.values()]


def planned_again(instance: "dg.DagsterInstance", run_id: str) -> list[dict[str, Any]]:
    """Returns the plan of a run's recipe with the args of the run, as plain values, each with its ``group``.

    Args:
        run_id: empty for the newest run of a recipe.

    Raises:
        LookupError: there is none, or its recipe is not loaded.
        ArgsError: the recipe does not take these args any more.
    """
    import dagster as dg

    from blut_assets.definitions import discovered
    from blut_assets.history.partitions import partition_of_run
    from blut_assets.layers.resolve import layered
    from blut_assets.layers.stack import FROZEN
    from blut_assets.recipes.args import args_of
    from blut_assets.recipes.recipe import RECIPE_TAG

    recipes = {recipe.name: recipe for book in discovered.cookbooks for recipe in book.recipes}
    filters = dg.RunsFilter(run_ids=[run_id]) if run_id else dg.RunsFilter(tags={RECIPE_TAG: [*recipes]})
    run = next(iter(instance.get_runs(filters, limit=1)), None)
    recipe = recipes.get(run.tags.get(RECIPE_TAG, "")) if run else None
    if run is None or recipe is None:
        raise LookupError(f"run {run_id[:8]} is of no recipe here" if run_id else "no recipe has run here")
    key = partition_of_run(run.tags)
    args = layered(recipe, args=args_of(run) or {}, reads=FROZEN).parse([key])
    groups = {
        one.to_user_string(): group
        for asset in recipe.assets
        for one, group in asset.group_names_by_key.items()
    }
    planned = planned_assets(instance, recipe, args, [key])
    return [{**one.as_dict(), "group": groups.get(one.asset, "")} for one in planned]
