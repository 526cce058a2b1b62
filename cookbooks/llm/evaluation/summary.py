"""Summarises a report: losses side by side, and every model's answer to the same question."""

from collections.abc import Mapping, Sequence
from typing import Any

from blut_resources.text import markdown

SAYS = {"base": "before", "tuned": "after", "quantised": "after, quantised"}
TRAINED = {True: "; it was in the training data", False: "; it was not in the training data", None: ""}


def summary(report: Mapping[str, Any]) -> str:
    """Returns the report in a few lines of plain text, for a terminal."""
    metrics = report["tasks"][0]["metrics"]
    lines = [_figures(metrics[name], what) for name, what in (("loss", "nats a token"), ("perplexity", ""))]
    for one in report["asked"]:
        lines.append(f"asked: {one['prompt']}{TRAINED[one['in_training']]}")
        lines += [
            f"  {model} ({SAYS[model]}): {answer_text(answer)}" for model, answer in one["answers"].items()
        ]
    return "\n".join(lines)


def _figures(metric: Mapping[str, Any], unit: str) -> str:
    found = metric["models"]
    values = ", ".join(
        f"{model} {one['value']:.4g} [{one['low']:.4g}, {one['high']:.4g}]"
        for model, one in found.items()
        if one["value"] is not None
    )
    some = next(iter(found.values()))
    name = "loss" if unit else "perplexity"
    return f"held-out {name}{f' in {unit}' if unit else ''}: {values} ({some['n']} rows, 95 % intervals)"


def answer_text(answer: Mapping[str, Any]) -> str:
    """Returns an answer in one line; one that was cut off shows it."""
    return " ".join(_said(answer).split())


def answers_by_model(asked: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Returns what the UI shows beside each other:
    ``before``, ``after`` and ``after_quantised``, as Markdown.
    """
    found: dict[str, list[str]] = {}
    for one in asked:
        for model, answer in one["answers"].items():
            name = SAYS[model].replace(", ", "_")
            parts = ("**question**", markdown(one["prompt"]), "**answer**", markdown(_said(answer)))
            found.setdefault(name, []).extend(parts)
    return {name: "\n\n".join(parts) for name, parts in found.items()}


def _said(answer: Mapping[str, Any]) -> str:
    return answer["text"] + ("" if answer["stopped"] else " ... (not ended)")
