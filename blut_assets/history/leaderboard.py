"""Ranks the runs of each recipe by one metric, with the args in which they differ.

It reads the event log and writes nothing but its own materialization. It is not a part of the recipe's job,
which it would slow down, and no run of its own, of which a list of runs would be full: a sensor says it when
the asset with the metric has been made again.
"""

import contextlib
import hashlib
import itertools
import json
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import dagster as dg

from blut_assets.deployment import deployed
from blut_assets.recipes import Cookbook, Metric, Recipe
from blut_assets.recipes.args import args_of
from blut_assets.recipes.recipe import RECIPE_TAG
from blut_assets.stages import reuse
from blut_assets.stages.spec import COMMON, StageSpec, spec_of
from blut_resources.alive import hold_run
from blut_resources.dagster_private.names import DATA_VERSION_TAG
from blut_resources.instance.instance import store_of
from blut_resources.text import markdown

NAME = "blut_leaderboards"
LOOK_BACK = 2000
"""Materializations of the asset, newest first, that are looked at."""
SHOWN = 50


@dataclass(frozen=True)
class RankedResult:
    """Describes one result of a recipe: the newest run that had it, what it measured, and of what args.

    ``partition`` is empty for a recipe without partitions, and ``on`` (the digests of what it was measured
    on, by the names of the inputs) where the metric does not name these.
    """

    run_id: str
    at: float
    facts: Mapping[str, Any]
    args: Mapping[str, Any]
    partition: str = ""
    on: tuple[tuple[str, str], ...] = ()

    def rank(self, metric: Metric) -> tuple[bool, float]:
        """Returns what to sort by; runs that are not ranked come last."""
        value = self.facts.get(metric.fact)
        if not isinstance(value, int | float) or not math.isfinite(value):
            return (True, math.inf)
        ranked = not metric.only_if or self.facts.get(metric.only_if) is True
        return (not ranked, -value if metric.best == "highest" else value)


def results(instance: dg.DagsterInstance, recipe: Recipe, metric: Metric) -> list[RankedResult]:
    """Returns the results of a recipe, the best one first. The same result of the same args, and
    of the same partition, counts once.

    Those that were measured on the same come together, and what the newest was measured on comes first.
    """
    distinct: dict[str, RankedResult] = {}
    for digest, result in _found(instance, recipe, metric):
        same = json.dumps([digest, result.partition, dict(result.args)], sort_keys=True, default=str)
        distinct.setdefault(same, result)
    newest: dict[tuple[tuple[str, str], ...], float] = {}
    for result in distinct.values():
        newest[result.on] = max(result.at, newest.get(result.on, 0.0))
    return sorted(distinct.values(), key=lambda one: (-newest[one.on], one.on, one.rank(metric)))


def places(found: Sequence[RankedResult], metric: Metric) -> list[int | None]:
    """Returns the place of each result among those that were measured on the same; None if it has none."""
    seen: Counter[tuple[tuple[str, str], ...]] = Counter()
    counted = list[int | None]()
    for result in found:
        seen[result.on] += 1
        counted.append(None if result.rank(metric)[0] else seen[result.on])
    return counted


def measured_on(found: Sequence[RankedResult]) -> list[str]:
    """Returns for each result in words on what it was measured; nothing where that is the same of all."""
    if len({result.on for result in found}) < 2:
        return [""] * len(found)
    return [", ".join(f"{name} {digest[:8]}" for name, digest in result.on) for result in found]


def _found(
    instance: dg.DagsterInstance, recipe: Recipe, metric: Metric
) -> Iterator[tuple[str, RankedResult]]:
    chosen = dg.RunsFilter(tags={RECIPE_TAG: recipe.name})
    runs = {run.run_id: run for run in instance.get_runs(chosen, limit=LOOK_BACK)}
    defaults = recipe.template()
    for record in itertools.islice(reuse.materializations(instance, metric.asset.key), LOOK_BACK):
        event, run = record.asset_materialization, runs.get(record.run_id)
        if run is None or event is None or not reuse.digest_of(event):
            continue
        entry: Any = event.metadata[reuse.ARTIFACT]
        known = args_of(run)
        given = dict.fromkeys(defaults) if known is None else {**defaults, **known}
        args = {name: value for name, value in given.items() if name not in COMMON}
        taken = reuse.inputs_of(event)
        on = tuple((name, taken.get(name, "")) for name in metric.within)
        about = (run.run_id, record.timestamp, entry.value, args, event.partition or "", on)
        yield entry.value["digest"], RankedResult(*about)


def differing(found: Sequence[RankedResult]) -> list[str]:
    """Returns the args that are not the same everywhere."""
    names = dict.fromkeys(name for result in found for name in result.args)
    return [name for name in names if len({json.dumps(r.args.get(name), default=str) for r in found}) > 1]


def table(found: Sequence[RankedResult], metric: Metric) -> str:
    """Returns the best results as a markdown table."""
    spec = _spec(metric)
    facts = [name for name in dict.fromkeys([metric.fact, metric.only_if, *spec.headline]) if name]
    args = differing(found)
    arrow = "↑" if metric.best == "highest" else "↓"
    names = [f"**{name} {arrow}**" if name == metric.fact else name for name in facts]
    parted = any(result.partition for result in found)
    place_of, on = places(found, metric), measured_on(found)
    first = ["", *(["partition"] if parted else []), *(["measured on"] if any(on) else [])]
    lines = [[*first, *names, "run", *(f"`{name}`" for name in args), "when (UTC)"]]
    lines.append(["---"] * len(lines[0]))
    for number, result in enumerate(found[:SHOWN]):
        values = [_text(result.facts.get(name)) for name in facts]
        given = [_text(result.args.get(name)) for name in args]
        link = f"[{result.run_id[:8]}](/runs/{result.run_id})"
        when = time.strftime("%Y-%m-%d %H:%M", time.gmtime(result.at))
        place = [str(place_of[number] or "-"), *([_text(result.partition)] if parted else [])]
        place += [on[number]] if any(on) else []
        lines.append([*place, *values, link, *given, when])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    if value in (None, ""):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return markdown((text if len(text) <= 32 else f"…{text[-31:]}").replace("\n", " "))


def _spec(metric: Metric) -> StageSpec:
    spec = spec_of(metric.asset)
    assert spec is not None, f"{metric.asset.key} is no stage asset"
    return spec


def board(instance: dg.DagsterInstance, recipe: Recipe, metric: Metric) -> tuple[str, dict[str, Any]]:
    """Returns the leaderboard of a recipe as markdown, and all that is shown of it as metadata."""
    found, asset = results(instance, recipe, metric), metric.asset.key.path[-1]
    text = table(found, metric) if found else f"No run of {recipe.name} has made {asset} yet."
    shown: dict[str, Any] = {"leaderboard": dg.MetadataValue.md(text), "n_results": len(found)}
    if found and not found[0].rank(metric)[0]:
        best = dg.MetadataValue.dagster_run(found[0].run_id)
        shown |= {f"best_{metric.fact}": found[0].facts[metric.fact], "best_run": best}
    if metric.shows:
        shown |= metric.shows(store_of(instance), [result.facts for result in found[:SHOWN]])
    return text, shown


def _version(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def say_again(instance: dg.DagsterInstance, key: dg.AssetKey, recipe: Recipe, metric: Metric) -> bool:
    """Show a leaderboard as it stands, without a run; says whether it is another than was shown last."""
    text, shown = board(instance, recipe, metric)
    last = instance.get_latest_materialization_event(key)
    event = last.asset_materialization if last else None
    if event and (event.tags or {}).get(DATA_VERSION_TAG) == _version(text):
        return False
    tags = {DATA_VERSION_TAG: _version(text)}
    instance.report_runless_asset_event(dg.AssetMaterialization(key, metadata=shown, tags=tags))
    return True


@cache
def leaderboard_asset(cookbook: str, recipe: Recipe, metric: Metric) -> dg.AssetsDefinition:
    """Returns the asset ``<cookbook>/<recipe>_leaderboard``, always the same one for a recipe.

    Raises:
        TypeError: if the artifact has no such fact, or the asset no such input.
    """
    spec = _spec(metric)
    for fact in filter(None, (metric.fact, metric.only_if)):
        if fact not in spec.output.model_fields:
            raise TypeError(f"recipe {recipe.name}: {spec.output.__name__} has no fact {fact!r}")
    for name in metric.within:
        if name not in spec.inputs:
            raise TypeError(f"recipe {recipe.name}: {metric.asset.key.to_user_string()} takes no {name!r}")
    ranked = f" Ranked are those with `{metric.only_if}`." if metric.only_if else ""
    within = " and ".join(f"`{name}`" for name in metric.within)
    ranked += f" Only those of the same {within} are ranked against each other." if within else ""

    @dg.asset(
        key=[cookbook, f"{recipe.name}_leaderboard"],
        deps=[metric.asset.key],
        group_name=f"{cookbook}_results",
        kinds={"markdown"},
        owners=[f"team:{cookbook}"],
        description=f"The runs of `{recipe.name}` by `{metric.fact}`, {metric.best} first, with the args in"
        f" which they differ.{ranked} It updates itself and computes nothing.",
        metadata={"recipe": recipe.name, "metric": metric.fact, "best": metric.best},
    )
    def leaderboard(context: dg.AssetExecutionContext) -> dg.MaterializeResult[Any]:
        with hold_run(context), deployed(context):
            text, shown = board(context.instance, recipe, metric)
        return dg.MaterializeResult(metadata=shown, data_version=dg.DataVersion(_version(text)))

    return leaderboard


def leaderboards(cookbooks: Sequence[Cookbook]) -> list[dg.AssetsDefinition]:
    """Returns one for every recipe that declares a metric."""
    return [
        leaderboard_asset(cookbook.name, recipe, recipe.metric)
        for cookbook in cookbooks
        for recipe in cookbook.recipes
        if recipe.metric is not None
    ]


def leaderboard_sensor(cookbooks: Sequence[Cookbook]) -> dg.SensorDefinition:
    """Returns what shows the leaderboards of recipes anew, each after a new result."""
    ranked = {
        leaderboard_asset(cookbook.name, recipe, recipe.metric).key: (recipe, recipe.metric)
        for cookbook in cookbooks
        for recipe in cookbook.recipes
        if recipe.metric is not None
    }

    @dg.sensor(
        name=NAME,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Updates a leaderboard when its recipe has a new result. It starts no run.",
    )
    def leaderboards_follow(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        before, said = _seen(context.cursor), list[str]()
        now: dict[str, int] = {}
        for key, (recipe, metric) in ranked.items():
            record = next(reuse.materializations(context.instance, metric.asset.key, first=1), None)
            name = key.to_user_string()
            if record is None:
                continue
            now[name] = record.storage_id
            if before.get(name) != record.storage_id and say_again(context.instance, key, recipe, metric):
                said.append(name)
        words = f"updated: {', '.join(said)}" if said else "no recipe has a new result"
        return dg.SensorResult(skip_reason=words, cursor=json.dumps(now))

    return leaderboards_follow


def _seen(cursor: str | None) -> dict[str, int]:
    """Returns the newest result of each leaderboard at the last tick; older versions kept something else."""
    with contextlib.suppress(ValueError):
        found = json.loads(cursor or "{}")
        return found if isinstance(found, dict) else {}
    return {}
