"""Builds Dagster definitions of the installed cookbooks: for Blut's own code location, and for anybody's."""

import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from blut_resources.dagster_private.startup import without_collector

with without_collector():
    import dagster as dg

    from blut_assets.deployment import RESOURCES, declare, deployment
    from blut_assets.discovery import Discovered, discover
    from blut_assets.history.leaderboard import leaderboard_sensor, leaderboards
    from blut_assets.narrowing import chosen_of
    from blut_assets.recipes import Cookbook, Recipe
    from blut_assets.recipes.cookbook import AnyAsset, keys_of
    from blut_assets.stages.executor import in_process_or_multiprocess
    from blut_assets.stages.external import HANDLES_KEY
    from blut_assets.stages.handles import HANDLES
    from blut_assets.stages.spec import spec_of
    from blut_assets.sweeps.board import sweep_boards
    from blut_resources import holding
    from blut_resources.dagster_private.requiring import requiring
    from blut_resources.payloads import environment
    from blut_resources.runs import intent
    from sensors.alerts import at_end
    from sensors.alerts.scope import AlertScope
    from sensors.alerts.sensor import alerts_sensor
    from sensors.corpus_watch import corpus_watch_sensor
    from sensors.housekeeping.sensor import housekeeping
    from sensors.reaper import reaper
    from sensors.retraining import retraining_sensor


# owners of a job are in beta, which Dagster says whenever somebody looks a job up, long after this was loaded
warnings.filterwarnings("ignore", "Parameter `owners` of", dg.BetaWarning)
VALIDATING = "DAGSTER_IS_DEFS_VALIDATION_CLI"
"""Set by `dagster definitions validate` and `dg check defs`."""


class CookbooksLeftOut(dg.DagsterInvalidDefinitionError):
    """Says, where definitions are validated, which cookbooks are left out; a line for each fault."""


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
        resources: by key, added to those of Blut; ``blut_store``, ``blut_registry``, ``blut_tracker`` and
            ``blut_containment`` say what the deployment is, where its environment does not.
        only: names of cookbooks or recipes; all that are installed if not given. What these take from others
            is what was made last.
        operations: whether the sensors of Blut come along, which no instance needs twice.

    Raises:
        UnknownName: ``only`` names what there is not.
        CookbooksLeftOut: where they are validated, and one of these cookbooks is faulty. Everywhere else it
            is left out with a warning, since the others have to go on.
    """
    found = installed() if only is None else chosen_of(installed(), only)
    refuse_left_out(found)
    built = assemble(found, executor=executor, resources=resources, operations=operations)
    declare(built.resources or {}, resources or {})
    return built


def refuse_left_out(found: Discovered) -> None:
    """Refuse a set from which cookbooks are left out where it is validated.

    Raises:
        CookbooksLeftOut: with a line for each fault.
    """
    if os.environ.get(VALIDATING) and found.left_out:
        raise CookbooksLeftOut("\n".join(found.faults()))


@cache
def installed() -> Discovered:
    """Returns the installed cookbooks, and tells the payloads' side what they declare."""
    with without_collector():
        found = discover(check=validate)
    intent.declared[:] = [cookbook.intents for cookbook in found.cookbooks]
    environment.declared[:] = [name for one in found.cookbooks for name in one.variables]
    if at_end.is_dagsters_process():
        holding.on_start[:] = [at_end.begin_here]
        holding.on_end[:] = [lambda instance: at_end.tell_hooks(instance, lambda: alert_scope(found))]
    return found


def validate(cookbooks: Sequence[Cookbook]) -> None:
    """Have Dagster resolve all of it, as if somebody gave the resources that are still to be given."""
    built = assemble(Discovered(list(cookbooks)))
    needed = {key for book in cookbooks for key in needed_resources(book)} - (built.resources or {}).keys()
    others = dg.Definitions(resources=dict.fromkeys(needed, dg.mem_io_manager))
    dg.Definitions.validate_loadable(dg.Definitions.merge(built, others))


def without_resources(found: Discovered, given: Collection[str]) -> Discovered:
    """Returns the cookbooks without those that need a resource which is not ``given``, nor their own."""
    own = {
        HANDLES_KEY,
        "io_manager",
        *RESOURCES,
        *given,
        *(key for book in found.cookbooks for key in book.resources),
    }
    lacking = {book.name: sorted(needed_resources(book) - own) for book in found.cookbooks}
    faults = {
        name: "\n".join(
            f"nothing gives it the resource {key!r}: put one into its `resources`" for key in keys
        )
        for name, keys in lacking.items()
        if keys
    }
    return found.without(faults) if faults else found


def needed_resources(book: Cookbook) -> set[str]:
    """Returns the keys of the resources that a cookbook's assets, checks, sensors and schedules take."""
    takers = [*book.assets, *book.checks, *book.sensors, *book.schedules]
    return {key for one in takers for key in getattr(one, "required_resource_keys", ())}


def assemble(
    found: Discovered,
    *,
    executor: dg.ExecutorDefinition | dg.Executor | None = None,
    resources: Mapping[str, Any] | None = None,
    operations: bool = True,
) -> dg.Definitions:
    """Returns the definitions of cookbooks, however they were found."""
    given = resources or {}
    own = None if executor else in_process_or_multiprocess
    jobs = [
        _job(recipe, tuple(book.extras), own, owners_of(book))
        for book in found.cookbooks
        for recipe in book.recipes
    ]
    boards = leaderboards(found.cookbooks)
    assets = [asset for book in found.cookbooks for asset in _owned_by(book)]
    return dg.Definitions(
        assets=[*map(_shown, _each_once(assets)), *boards, *sweep_boards(found.cookbooks)],
        asset_checks=[check for cookbook in found.cookbooks for check in cookbook.checks],
        jobs=[*jobs, *(job for cookbook in found.cookbooks for job in cookbook.jobs)],
        schedules=[schedule for cookbook in found.cookbooks for schedule in cookbook.schedules],
        sensors=[
            *(_operations(found, jobs, boards) if operations else []),
            *(sensor for cookbook in found.cookbooks for sensor in cookbook.sensors),
        ],
        resources={**_resources(found), HANDLES_KEY: HANDLES, **given, **deployment(given)},
        executor=executor,
        metadata={f"left out: {name}": reason for name, reason in found.left_out.items()},
    )


def _shown(asset: AnyAsset) -> AnyAsset:
    """Returns an asset of which the UI says that it uses what says of the deployment."""
    if isinstance(asset, dg.AssetsDefinition) and spec_of(asset):
        return requiring(asset, RESOURCES)
    return asset


def _resources(found: Discovered) -> dict[str, Any]:
    return {key: one for book in found.cookbooks for key, one in book.resources.items()}


@cache
def _job(
    recipe: Recipe,
    extras: tuple[str, ...],
    executor: dg.ExecutorDefinition | None,
    owners: tuple[str, ...],
) -> Any:
    """Returns one object for a recipe, of which Dagster takes a second mention in merged definitions."""
    return recipe.job(extras, executor, owners)


def owners_of(book: Cookbook) -> tuple[str, ...]:
    """Returns who owns the jobs of a cookbook, and its assets that do not say it themselves."""
    return tuple(book.owners) or (f"team:{book.name}",)


def _owned_by(book: Cookbook) -> list[AnyAsset]:
    """Returns the assets of a cookbook, which are its owners' where they do not say whose."""
    if not book.owners:
        return list(book.assets)
    owners = tuple(book.owners)
    return [
        _owned(asset, f"team:{book.name}", owners) if isinstance(asset, dg.AssetsDefinition) else asset
        for asset in book.assets
    ]


@cache
def _owned(asset: dg.AssetsDefinition, default: str, owners: tuple[str, ...]) -> dg.AssetsDefinition:
    """Returns an asset with these owners in the place of the one that it has by default."""
    return asset.map_asset_specs(
        lambda spec: spec.replace_attributes(owners=owners) if list(spec.owners) == [default] else spec
    )


def _each_once(assets: Iterable[AnyAsset]) -> list[AnyAsset]:
    """Returns the assets without the specs of what another one makes, or another spec names."""
    every = list(assets)
    taken = {key for asset in every if isinstance(asset, dg.AssetsDefinition) for key in keys_of(asset)}
    kept: list[AnyAsset] = []
    for asset in every:
        if isinstance(asset, dg.AssetsDefinition):
            kept.append(asset)
        elif asset.key not in taken:
            taken.add(asset.key)
            kept.append(asset)
    return kept


def _operations(
    found: Discovered, jobs: Sequence[Any], boards: Sequence[dg.AssetsDefinition]
) -> list[dg.SensorDefinition]:
    """Returns what Blut does by itself while the daemon runs."""
    assets = [asset for cookbook in found.cookbooks for asset in cookbook.assets]
    recipes = [recipe for cookbook in found.cookbooks for recipe in cookbook.recipes]
    return [
        *(reaper, housekeeping, retraining_sensor(recipes, jobs)),
        alerts_sensor(alert_scope(found, boards)),
        *([corpus_watch_sensor(assets)] if assets else []),
        *([leaderboard_sensor(found.cookbooks)] if boards else []),
    ]


def alert_scope(found: Discovered, boards: Sequence[dg.AssetsDefinition] = ()) -> AlertScope:
    """Returns whose failures somebody may want to be told of."""
    assets = [asset for book in found.cookbooks for asset in book.assets]
    specs = [spec for asset in assets if isinstance(asset, dg.AssetsDefinition) and (spec := spec_of(asset))]
    return AlertScope.of(
        [check for book in found.cookbooks for check in book.checks],
        [one.name for book in found.cookbooks for one in (*book.recipes, *book.jobs)],
        [key for asset in (*assets, *boards) for key in keys_of(asset)],
        [spec.key for spec in specs if spec.source],
    )
