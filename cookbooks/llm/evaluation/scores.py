"""Makes figures of the scores of single rows: a value, its interval and the number of samples."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from blut_resources.text import markdown_cell
from cookbooks.llm.evaluation.intervals import (
    Estimate,
    bootstrap_difference,
    bootstrap_mean,
    bootstrap_ratio,
    wilson,
)

LOWER_IS_BETTER = ("loss", "perplexity")


@dataclass(frozen=True)
class Sample:
    """Holds what one row scored. A ``loss`` is summed over ``weight`` tokens; all else counts once."""

    id: str
    values: Mapping[str, float]
    weight: float = 1.0
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Scores:
    """Holds one task: samples by model, the same rows in the same order for each."""

    task: str
    about: str
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def metrics(self) -> list[str]:
        """Returns the names of what was scored, in the order of their first appearance."""
        found: dict[str, None] = {}
        for sample in itertools.chain(*self.samples.values()):
            found.update(dict.fromkeys(sample.values))
        return list(found)

    def figures(self) -> dict[str, Any]:
        """Returns every metric of every model, and by how much models differ on the same rows."""
        found: dict[str, Any] = {}
        for metric in self.metrics():
            by_model = {model: self._estimate(model, metric) for model in self.samples}
            found[metric] = {
                "higher_is_better": metric not in LOWER_IS_BETTER,
                "models": {model: self._shown(model, metric, one) for model, one in by_model.items() if one},
                "differences": dict(self._differences(metric)),
            }
            if metric == "loss":
                found["perplexity"] = perplexities(found["loss"])
        return {"task": self.task, "about": self.about, "metrics": found}

    def _rows(self, model: str, metric: str) -> list[Sample]:
        return [sample for sample in self.samples[model] if metric in sample.values]

    def _estimate(self, model: str, metric: str) -> Estimate | None:
        rows = self._rows(model, metric)
        values = [row.values[metric] for row in rows]
        if not values:
            return None
        if metric == "loss":
            return bootstrap_ratio(values, [row.weight for row in rows])
        return wilson(sum(values), len(values)) if self._is_share(metric) else bootstrap_mean(values)

    def _shown(self, model: str, metric: str, estimate: Estimate) -> dict[str, Any]:
        tokens = round(sum(row.weight for row in self._rows(model, metric)))
        return {**estimate.as_dict(), **({"n_tokens": tokens} if metric == "loss" else {})}

    def _is_share(self, metric: str) -> bool:
        """Returns True if every row of every model either has it or has it not."""
        values = (sample.values.get(metric, 0) for sample in itertools.chain(*self.samples.values()))
        return all(value in (0, 1) for value in values)

    def _differences(self, metric: str) -> list[tuple[str, dict[str, Any]]]:
        found = []
        for one, other in itertools.combinations(self.samples, 2):
            pairs = {row.id: row for row in self._rows(one, metric)}
            both = [(pairs[row.id], row) for row in self._rows(other, metric) if row.id in pairs]
            if both:
                weights = [row.weight if metric == "loss" else 1.0 for _, row in both]
                before, after = ([row.values[metric] for row in side] for side in zip(*both, strict=True))
                estimate = bootstrap_difference(after, before, weights)
                found.append((f"{other} - {one}", estimate.as_dict()))
        return found


def perplexities(loss: Mapping[str, Any]) -> dict[str, Any]:
    """Returns perplexity out of a loss in nats; a monotonous function keeps the interval."""

    def shown(one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, **{name: _exp(one[name]) for name in ("value", "low", "high")}}

    return {
        "higher_is_better": False,
        "models": {model: shown(one) for model, one in loss["models"].items()},
        "differences": {},
    }


def _exp(value: float) -> float | None:
    try:
        return math.exp(value)
    except OverflowError:
        return None


def table(figures: Sequence[Mapping[str, Any]], models: Sequence[str]) -> str:
    """Returns all figures side by side, as Markdown: value, 95 % interval, and the number of samples."""
    lines = [
        "| task | metric | " + " | ".join(map(markdown_cell, models)) + " | samples | interval |",
        "|---|---|" + "---|" * (len(models) + 2),
    ]
    for task in figures:
        for metric, found in task["metrics"].items():
            cells = [_cell(found["models"].get(model)) for model in models]
            some = next(iter(found["models"].values()))
            names = f"{markdown_cell(task['task'])} | {markdown_cell(metric)}"
            lines.append(f"| {names} | {' | '.join(cells)} | {some['n']} | 95 %, {some['method']} |")
    return "\n".join(lines)


def _cell(one: Mapping[str, Any] | None) -> str:
    if one is None or one["value"] is None:
        return "-"
    return f"{one['value']:.4g} [{one['low']:.4g}, {one['high']:.4g}]"
