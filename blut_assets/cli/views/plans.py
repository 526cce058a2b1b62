"""Computes what a run would do, an asset a row, for `blut plan` and the cockpit."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

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
