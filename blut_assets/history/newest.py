"""Says of each recipe what its newest run came to: how it ended, the name that it gave, its main figures."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import dagster as dg

from blut_assets.history.failures import failure_of
from blut_assets.history.partitions import partition_of_run
from blut_assets.history.took import took
from blut_assets.recipes import Recipe
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.stages.spec import StageSpec, spec_of

Ended = Literal["running", "succeeded", "refused", "cancelled", "deadline", "pruned", "failed"]
LOOK_BACK = 1000
"""Runs of a recipe with partitions, newest first, that are looked at."""
SHOWN = 4
"""Figures of a run that are shown."""


@dataclass(frozen=True)
class Newest:
    """Describes the newest run of a recipe, or of one of its partitions.

    Attributes:
        partition: empty for a recipe without partitions.
        ended: ``refused`` where all was computed, and a gate said no.
        alias: the name that stands for what it made; empty where it gave none.
        figures: the one that the recipe's runs are ranked by, and the headline of the same asset.
        why: it did not succeed.
        seconds: it took; None while it goes on.
    """

    recipe: str
    ended: Ended
    alias: str
    figures: dict[str, Any]
    why: str
    seconds: float | None
    run: str
    partition: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return asdict(self)


def newest(instance: dg.DagsterInstance, recipes: Sequence[Recipe]) -> list[Newest]:
    """Returns the newest run of each recipe that has run, in the order of the recipes.

    Of a recipe with partitions it is the newest run of each.
    """
    found = []
    for recipe in recipes:
        chosen = dg.RunsFilter(tags={RECIPE_TAG: recipe.name})
        parted = recipe.partitions is not None
        records = instance.get_run_records(chosen, limit=LOOK_BACK if parted else 1)
        by_key: dict[str, dg.RunRecord] = {}
        for record in records:
            by_key.setdefault(str(partition_of_run(record.dagster_run.tags) or ""), record)
        found += [_came_to(instance, recipe, record, key) for key, record in by_key.items()]
    return found


def _came_to(instance: dg.DagsterInstance, recipe: Recipe, record: dg.RunRecord, key: str) -> Newest:
    run = record.dagster_run
    ended: Ended = "running"
    why = ""
    if run.is_success:
        ended = "succeeded"
    elif run.is_finished:
        failure = failure_of(instance, run.run_id)
        why = failure.why
        ended = "failed" if failure.kind == "failure" else failure.kind
        ended = "cancelled" if run.status == dg.DagsterRunStatus.CANCELED else ended
    facts = _facts(instance, run.run_id)
    told = next((one for one in facts.values() if one.get("promoted") and one.get("alias")), {})
    alias, seconds = str(told.get("alias", "")), took(instance, record)
    return Newest(recipe.name, ended, alias, _figures(recipe, facts), why, seconds, run.run_id, key)


def _facts(instance: dg.DagsterInstance, run_id: str) -> dict[dg.AssetKey, dict[str, Any]]:
    """Returns the facts of all artifacts that a run made or reused, by asset."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    found: dict[dg.AssetKey, dict[str, Any]] = {}
    for record in instance.get_records_for_run(run_id, of_type=kind).records:
        event = record.event_log_entry.asset_materialization
        entry: Any = event.metadata.get(reuse.ARTIFACT) if event else None
        if event is not None and entry is not None:
            found[event.asset_key] = entry.value
    return found


def _figures(recipe: Recipe, facts: dict[dg.AssetKey, dict[str, Any]]) -> dict[str, Any]:
    """Returns the numbers by which the result of a recipe is known; none where it was not reached."""
    spec = _told_by(recipe)
    if spec is None:
        return {}
    first = [recipe.metric.fact] if recipe.metric else []
    known = facts.get(spec.key, {})
    numbers = {name: known.get(name) for name in [*first, *spec.headline] if _number(known.get(name))}
    return dict(list(numbers.items())[:SHOWN])


def _told_by(recipe: Recipe) -> StageSpec | None:
    """Returns the asset that tells what a recipe came to: that of its metric, else that of its output."""
    if recipe.metric:
        return spec_of(recipe.metric.asset)
    specs = (spec_of(asset) for asset in recipe.assets)
    return next((spec for spec in specs if spec and spec.output is recipe.output), None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
