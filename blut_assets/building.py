"""Builds Dagster definitions of the installed cookbooks: for Blut's own code location, and for anybody's."""

import difflib
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from blut_resources.dagster_private.startup import without_collector

with without_collector():
    import dagster as dg

    from blut_assets.discovery import Discovered, discover
    from blut_assets.history.leaderboard import leaderboard_sensor, leaderboards
    from blut_assets.stages.executor import in_process_or_multiprocess
    from blut_assets.stages.external import HANDLES_KEY
    from blut_assets.stages.handles import HANDLES
    from blut_assets.wiring import check_wiring
    from blut_resources.payloads import environment
    from blut_resources.runs import intent
    from sensors.alerts.sensor import alerts_sensor
    from sensors.corpus_watch import corpus_watch_sensor
    from sensors.housekeeping.sensor import housekeeping
    from sensors.reaper import reaper
    from sensors.retraining import retraining_sensor


class UnknownName(ValueError):
    """Says that no cookbook and no recipe has a name, and which one may be meant."""


def build_definitions(
    *,
    executor: dg.ExecutorDefinition | dg.Executor | None = None,
    resources: Mapping[str, Any] | None = None,
    only: Collection[str] | None = None,
    operations: bool = True,
) -> dg.Definitions:
    """Returns the definitions of the installed cookbooks, to be loaded as they are or merged with others.

    ::

        import blut_assets

        defs = dg.Definitions.merge(blut_assets.build_definitions(only=["lamquant"]), mine)

    Args:
        executor: of all jobs. If not given, the jobs of recipes run in one process unless their config says
            otherwise, and what is not a recipe's job gets the executor of whoever merges these.
        resources: by key, added to those of Blut.
        only: names of cookbooks or recipes; all that are installed if not given. What these take from others
            is what was made last.
        operations: whether the sensors of Blut come along, which no instance needs twice.

    Raises:
        UnknownName: ``only`` names what there is not.
        WiringError: an edge joins two types that do not fit.
    """
    found = installed() if only is None else chosen_of(installed(), only)
    return assemble(found, executor=executor, resources=resources, operations=operations)


@cache
def installed() -> Discovered:
    """Returns the installed cookbooks, and tells the payloads' side what they declare."""
    with without_collector():
        found = discover()
    intent.declared[:] = [cookbook.intents for cookbook in found.cookbooks]
    environment.declared[:] = [name for one in found.cookbooks for name in one.variables]
    return found


def chosen_of(found: Discovered, names: Collection[str]) -> Discovered:
    """Returns the cookbooks of these names, and of others the recipes of these names.

    Raises:
        UnknownName: there is neither a cookbook nor a recipe of a name.
    """
    books = [cookbook.name for cookbook in found.cookbooks]
    known = [*books, *found.recipe_names()]
    for name in names:
        if name in found.left_out:
            raise UnknownName(f"only = {name!r}: this cookbook is left out: {found.left_out[name]}")
        if name not in known:
            near = difflib.get_close_matches(name, known, 1)
            meant = f" (did you mean {near[0]!r}?)" if near else ""
            there = ", ".join(known) or "none"
            raise UnknownName(f"only = {name!r}: neither a cookbook nor a recipe{meant}; there are: {there}")
    parts = [
        cookbook if cookbook.name in names else cookbook.narrowed_to(names) for cookbook in found.cookbooks
    ]
    return Discovered([part for part in parts if part.name in names or part.recipes], {})


def assemble(
    found: Discovered,
    *,
    executor: dg.ExecutorDefinition | dg.Executor | None = None,
    resources: Mapping[str, Any] | None = None,
    operations: bool = True,
) -> dg.Definitions:
    """Returns the definitions of cookbooks, however they were found.

    Raises:
        WiringError: an edge joins two types that do not fit.
    """
    assets = [asset for cookbook in found.cookbooks for asset in cookbook.assets]
    checks = [check for cookbook in found.cookbooks for check in cookbook.checks]
    own = None if executor else in_process_or_multiprocess
    jobs = [recipe.job(book.extras, own) for book in found.cookbooks for recipe in book.recipes]
    boards = leaderboards(found.cookbooks)
    check_wiring(assets)
    return dg.Definitions(
        assets=[*assets, *boards],
        asset_checks=checks,
        jobs=jobs,
        sensors=[
            *(_operations(found, jobs, boards) if operations else []),
            *(sensor for cookbook in found.cookbooks for sensor in cookbook.sensors),
        ],
        resources={HANDLES_KEY: HANDLES, **(resources or {})},
        executor=executor,
        metadata={f"left out: {name}": reason for name, reason in found.left_out.items()},
    )


def _operations(
    found: Discovered, jobs: Sequence[Any], boards: Sequence[dg.AssetsDefinition]
) -> list[dg.SensorDefinition]:
    """Returns what Blut does by itself while the daemon runs."""
    assets = [asset for cookbook in found.cookbooks for asset in cookbook.assets]
    checks = [check for cookbook in found.cookbooks for check in cookbook.checks]
    recipes = [recipe for cookbook in found.cookbooks for recipe in cookbook.recipes]
    keys = [key for asset in (*assets, *boards) for key in asset.keys]
    return [
        *(reaper, housekeeping, retraining_sensor(recipes, jobs)),
        alerts_sensor(checks, [job.name for job in jobs], keys),
        *([corpus_watch_sensor(assets)] if assets else []),
        *([leaderboard_sensor()] if boards else []),
    ]
