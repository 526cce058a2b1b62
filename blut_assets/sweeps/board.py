"""Shows sweeps in the UI: the asset ``<cookbook>/<recipe>_sweeps``, of which each sweep is a materialization.

No run makes it. The command that leads a sweep says it when the sweep has come to an end, so that it is there
without a daemon, and nothing waits for it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import dagster as dg

from blut_assets.pages.curves import data_uri
from blut_assets.recipes import Cookbook, Recipe
from blut_assets.sweeps.pictures import against, parallel
from blut_assets.sweeps.record import SweepRecord, Trial
from blut_assets.sweeps.standing import BestTrial, ranked, standing
from blut_resources.dagster_private.names import DATA_VERSION_TAG
from blut_resources.text import markdown_cell

SHOWN = 50
"""Rows of a leaderboard."""
SWEEP = "sweep"


@cache
def sweeps_spec(cookbook: str, recipe: Recipe) -> dg.AssetSpec:
    """Returns the asset of a recipe's sweeps, always the same one for a recipe with a metric."""
    assert recipe.metric is not None
    return dg.AssetSpec(
        key=sweeps_key(cookbook, recipe.name),
        deps=[recipe.metric.asset.key],
        group_name=f"{cookbook}_results",
        kinds={"markdown"},
        owners=[f"team:{cookbook}"],
        description=f"The sweeps of `{recipe.name}` by `{recipe.metric.fact}`, each a version: a leaderboard,"
        " a line for each trial across all axes, and each axis against the metric. `blut recipe run"
        f" {recipe.name} --sweep KEY=VALUES` adds one.",
        metadata={"recipe": recipe.name, "metric": recipe.metric.fact, "best": recipe.metric.best},
    )


def sweeps_key(cookbook: str, recipe: str) -> dg.AssetKey:
    """Returns the key of the asset of a recipe's sweeps."""
    return dg.AssetKey([cookbook, f"{recipe}_sweeps"])


def sweep_boards(cookbooks: Sequence[Cookbook]) -> list[dg.AssetSpec]:
    """Returns the assets of the sweeps of all recipes that declare a metric."""
    return [
        sweeps_spec(cookbook.name, recipe)
        for cookbook in cookbooks
        for recipe in cookbook.recipes
        if recipe.metric is not None
    ]


def show_in_ui(instance: dg.DagsterInstance, cookbook: str, record: SweepRecord) -> None:
    """Show a sweep in the UI as it stands, if its recipe has a metric; nothing if it is shown so already."""
    head = record.head()
    if not head.get("metric"):
        return
    text, shown = board(head, [*record.trials().values()])
    version = hashlib.sha256(f"{record.id} {text}".encode()).hexdigest()
    key = sweeps_key(cookbook, head["recipe"])
    last = instance.get_latest_materialization_event(key)
    if last and (event := last.asset_materialization) and (event.tags or {}).get(DATA_VERSION_TAG) == version:
        return
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key, metadata={SWEEP: record.id, **shown}, tags={DATA_VERSION_TAG: version})
    )


def board(head: Mapping[str, Any], trials: Sequence[Trial]) -> tuple[str, dict[str, Any]]:
    """Returns the leaderboard of a sweep as markdown, and all that is shown of it as metadata.

    Args:
        head: what was asked for, as `SweepRecord.head` gives it; with a metric.
    """
    best = ranked(trials, head["metric"])
    text = table(best, head["metric"]) if best else f"No trial has succeeded with a {head['metric']['fact']}."
    shown: dict[str, Any] = {
        "trials": standing(trials).sentence(),
        "axes": ", ".join(map(str, head["axes"])),
        "leaderboard": dg.MetadataValue.md(text),
    }
    if best:
        shown |= {
            f"best_{best[0].metric}": best[0].value,
            "best_run": dg.MetadataValue.dagster_run(best[0].trial.run_id),
            "parallel_coordinates": _picture("parallel coordinates", parallel(best)),
            "axes_against_metric": _picture("axes against the metric", against(best)),
        }
    return text, shown


def table(best: Sequence[BestTrial], metric: Mapping[str, str]) -> str:
    """Returns the best trials of a sweep as a markdown table, with the args in which they differ."""
    names = [*dict.fromkeys(name for one in best for name in one.trial.overrides)]
    arrow = "↑" if metric["best"] == "highest" else "↓"
    first = f"**{markdown_cell(metric['fact'])} {arrow}**"
    lines = [["", first, *(f"`{name}`" for name in names), "trial", "run"]]
    lines.append(["---"] * len(lines[0]))
    for place, one in enumerate(best[:SHOWN], 1):
        args = [_text(one.trial.overrides.get(name)) for name in names]
        link = f"[{one.trial.run_id[:8]}](/runs/{one.trial.run_id})"
        lines.append([str(place), f"{one.value:.6g}", *args, str(one.trial.number), link])
    more = f"\n\nand {len(best) - SHOWN} more" if len(best) > SHOWN else ""
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + more


def _text(value: Any) -> str:
    if value is None:
        return "-"
    return markdown_cell(value if isinstance(value, str) else json.dumps(value, default=str), 40)


def _picture(name: str, svg: str) -> dg.MarkdownMetadataValue:
    return dg.MetadataValue.md(f"![{name}]({data_uri(svg)})")
