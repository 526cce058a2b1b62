"""Writes what a policy file begins as: every field with what it means, and a run that went well to repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from blut_assets.recipes import Recipe
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from sensors.policy.fields import Policy
from sensors.policy.history import artifacts_of

LOOKED_AT = 200
"""Successful runs, newest first, in which a verdict that passed is looked for."""
OLDEST = "30d"
"""The trigger of a policy for which nobody chose one."""
SAMPLES = {
    **{"config": '"night"', "partition": '"each"'},
    **{"new_recordings": "10", "new_annotated": "10", "new_rows": "1000", "new_bytes": '"2G"'},
    **{"max_age": f'"{OLDEST}"', "schedule": '"0 3 * * 0"', "start_hours": '["02:00", "06:00"]'},
    **{"time_zone": '"Europe/Berlin"', "cooldown": '"20h"', "backoff": '"1h"', "max_runs_per_day": "4"},
    **{"memory_free": '"16G"', "gpus_free": "1", "gpu_memory_free": '"20G"'},
}
"""A value for each field that is not set, in the order of the file; times and counts are the defaults."""
HEADER = """\
# When Blut retrains by itself: see `blut policy show`, and `blut policy check` for why it does not now.
# A line that begins with "# " and has a value is a sample: take the "# " away to set it.
"""


@dataclass(frozen=True)
class Passed:
    """Names a run of a recipe here whose verdict passed, and its args."""

    run_id: str
    recipe: str
    args: Mapping[str, Any]


def last_passed(instance: dg.DagsterInstance, recipes: Sequence[Recipe]) -> Passed | None:
    """Returns the newest run that ended well and has an artifact which says that it passed; None without."""
    known = {recipe.name: recipe for recipe in recipes}
    succeeded = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS])
    for run in instance.get_runs(succeeded, limit=LOOKED_AT):
        recipe = known.get(run.tags.get(RECIPE_TAG, ""))
        args = args_of(run)
        if recipe is None or args is None:
            continue
        found = artifacts_of(instance, run.run_id, [key for asset in recipe.assets for key in asset.keys])
        if any(facts.get("passed") is True for facts in found.values()):
            return Passed(run.run_id, recipe.name, _chosen(recipe, args))
    return None


def _chosen(recipe: Recipe, args: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the args that somebody chose: a run notes all of them, and TOML has no null."""
    known = {name: value for name, value in args.items() if name in recipe.args.model_fields}
    return recipe.args(**known).model_dump(mode="json", exclude_defaults=True, exclude_none=True)


def starter(recipe: str, note: str) -> str:
    """Returns the text of a file with one policy that is off, and every field explained.

    Args:
        recipe: its recipe; empty where somebody has to fill it in.
        note: where the recipe comes from, or what to do, as one line.
    """
    import tomlkit

    lines = [HEADER, f"# {_meaning('enabled')}", "enabled = false", "", f"# {note}"]
    lines += [f"recipe = {tomlkit.item(recipe).as_string()}"]
    for name, sample in SAMPLES.items():
        lines += ["", f"# {_meaning(name)}", f"# {name} = {sample}"]
    return "\n".join([*lines, "", f"# {_meaning('instance')}", "instance = ''", ""])


def _meaning(name: str) -> str:
    return str(Policy.model_fields[name].description)
