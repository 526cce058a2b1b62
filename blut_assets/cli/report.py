"""What the `blut` command prints: tables of recipes, plans and finished runs."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from blut_assets import reuse
from blut_assets.planning import Planned
from blut_assets.recipes import Cookbook, Recipe, allowed_values
from blut_assets.stages import StageSpec, spec_of

Row = dict[str, str]
INTERRUPTED = "interrupted: run the same command again, and it goes on where it was"


def columns(rows: Sequence[Row]) -> str:
    """Rows as aligned text with a header."""
    table = [list(rows[0]), *([str(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    return "\n".join(
        "  ".join(c.ljust(w) for c, w in zip(line, widths, strict=True)).rstrip() for line in table
    )


def recipe_table(cookbooks: Sequence[Cookbook]) -> list[Row]:
    """One row a recipe, by category and name."""
    rows = [
        {
            "name": recipe.name,
            "category": recipe.category,
            "cookbook": cookbook.name,
            "input": ", ".join(recipe.input_kinds) or "-",
            "output": recipe.output.kind,
        }
        for cookbook in cookbooks
        for recipe in cookbook.recipes
    ]
    return sorted(rows, key=lambda row: (row["category"], row["name"]))


def describe_recipe(recipe: Recipe) -> str:
    """A recipe's args and assets."""
    template = recipe.template()
    args = [
        {
            "argument": name,
            "default": str(template[name])
            if template[name] not in ("", [], {})
            else '""'
            if not template[name]
            else "",
            "allowed": allowed_values(info),
            "meaning": info.description or "",
        }
        for name, info in recipe.args.model_fields.items()
    ]
    head = [f"{recipe.name}: {recipe.description}", "", columns(args), "", f"makes {recipe.output.kind}:"]
    return "\n".join([*head, *(f"  {asset.key.to_user_string()}" for asset in recipe.assets)])


def plan_table(planned: Sequence[Planned]) -> str:
    """A plan as text, with the count of what would run and what that cost last time."""
    rows = [
        {"asset": p.asset, "state": p.state, "last cost": _seconds(p.last_seconds), "reason": p.reason}
        for p in planned
    ]
    counts = {state: [p for p in planned if p.state == state] for state in ("stale", "blocked")}
    cost = sum(p.last_seconds or 0 for found in counts.values() for p in found)
    total = f"{len(counts['stale'])} would be computed, {len(counts['blocked'])} depend on what those come to"
    total += f"; these cost {cost:.1f} s last time"
    return f"{columns(rows)}\n{total}"


def run_summary(result: Any, recipe: Recipe) -> list[str]:
    """One line per asset of a finished run, then the outcome."""
    rows = [_asset_row(event.materialization, recipe) for event in result.get_asset_materialization_events()]
    counts = {word: sum(row["result"] == word for row in rows) for word in ("computed", "reused")}
    failures = [e for e in result.all_events if e.is_step_failure]
    lines = ["", columns(rows)] if rows else []
    lines += [
        f"\n{event.asset_key.to_user_string()}\n{told.value}"
        for event in result.get_asset_materialization_events()
        if (told := event.materialization.metadata.get(reuse.SUMMARY))
    ]
    causes = [(event.step_key, _cause(event)) for event in failures]
    lines += [INTERRUPTED if "Interrupted" in why else f"FAILED {step}: {why}" for step, why in causes]
    lines += [f"check {e.check_name} failed: {e.description or ''}".rstrip() for e in _failed_checks(result)]
    outcome = "succeeded" if result.success else "failed"
    tally = ", ".join(f"{count} {word}" for word, count in counts.items())
    return [*lines, f"{recipe.name} {outcome}: {tally}, run {result.run_id}"]


def _asset_row(materialization: dg.AssetMaterialization, recipe: Recipe) -> Row:
    metadata = materialization.metadata
    reused, seconds = metadata.get(reuse.REUSED), metadata.get(reuse.SECONDS)
    spec = next(s for a in recipe.assets if (s := spec_of(a)) and s.key == materialization.asset_key)
    ran = "observed" if spec.source else "computed" if spec.memoised else "executed"
    return {
        "asset": materialization.asset_key.to_user_string(),
        "result": "reused" if reused and reused.value else ran,
        "cost": _seconds(seconds.value) if seconds else "-",
        "digest": reuse.digest_of(materialization)[:12],
        "facts": _facts(materialization, spec),
    }


def _facts(materialization: dg.AssetMaterialization, spec: StageSpec) -> str:
    facts = reuse.artifact_of(materialization, spec.output).facts()
    values = {name: facts[name] for name in spec.headline}
    return " ".join(f"{k}={v:.4g}" if isinstance(v, float) else f"{k}={v}" for k, v in values.items())


def _failed_checks(result: Any) -> list[Any]:
    return [e for e in result.get_asset_check_evaluations() if not e.passed]


def _cause(event: Any) -> str:
    data = event.step_failure_data
    failure = data.user_failure_data
    if failure and failure.description:
        return failure.description
    error = data.error
    while error and error.cause and "Interrupted" not in error.message:
        error = error.cause
    return error.message.strip() if error else "unknown"


def _seconds(value: Any) -> str:
    return f"{value:.1f} s" if isinstance(value, int | float) else "-"
