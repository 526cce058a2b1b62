"""Shows a verdict on decisions in the UI: each figure beside its floor, and each seizure and false alarm."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.registry.verdicts import VERDICT_FILE

SHOWN = 100
"""Events on the page; ``verdict.json`` has more."""
ORDER = {"missed": 0, "false alarm": 1, "found": 2}


def shown_decisions(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of the materialization: figures, events, and what it was measured beside."""
    verdict = json.loads((artifact / VERDICT_FILE).read_text())
    events = verdict["details"].pop("events")
    page: dict[str, Any] = {
        "verdict": dg.MetadataValue.json(verdict),
        "figures": dg.MetadataValue.md(_figures(verdict)),
    }
    if events:
        worst_first = sorted(events, key=lambda row: ORDER[row["what"]])
        records = [dg.TableRecord(_record(row)) for row in worst_first[:SHOWN]]
        page["events"] = dg.MetadataValue.table(records)
    if verdict.get("incumbent"):
        page["would_replace"] = verdict["incumbent"]["candidate"][:12]
    if verdict.get("tries"):
        page["tries"] = verdict["tries"]
    return page


def _figures(verdict: dict[str, Any]) -> str:
    """Returns a table of every criterion, and below it what is reported only."""
    found, counts = verdict["measurements"], verdict["details"]["counts"]
    lines = ["| figure | measured | floor | |", "|---|---|---|---|"]
    for one in verdict["criteria"]:
        met = "met" if one["passed"] else "**missed**"
        lines.append(f"| {one['name']} | {_number(one['measured'])} | {one['op']} {one['floor']:g} | {met} |")
    low, high = found.get("sensitivity_low"), found.get("sensitivity_high")
    lines += [
        "",
        f"{counts['critical_events']} seizures of {counts['patients_with_critical']} patients in"
        f" {counts['hours']:.2f} h; the share of them that was found lies between {_number(low)} and"
        f" {_number(high)} (95 %).",
        "",
    ]
    if verdict.get("synthetic"):
        lines += ["**Synthetic recordings: nothing of this is a claim about patients.**", ""]
    judged = {one["name"] for one in verdict["criteria"]}
    lines += [f"- {name}: {_number(value)}" for name, value in sorted(found.items()) if name not in judged]
    return "\n".join(lines)


def _record(row: dict[str, Any]) -> dict[str, str]:
    late = row["latency_s"]
    return {
        "what": row["what"],
        "second": f"{row['from_s']:g} to {row['to_s']:g}",
        "latency": "" if late is None else f"{late:.2f} s",
        "patient": row["patient"],
        "recording": row["recording"],  # the longest is last: a narrow page cuts it off
    }


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
