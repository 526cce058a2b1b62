"""Shows a verdict in the UI: every figure beside its floor, the worst first, and the comparison."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.registry.verdicts import VERDICT_FILE
from cookbooks.lamquant.gate.rate_picture import RATE_FILE, rate_markdown

SHOWN = 60
"""Rows on the page; ``verdict.json`` has more."""
COLUMNS = ("patient", "recording", "channel", "second", "figure", "floor", "measured", "margin")

WHOLE = ("budget", "decision", "comparison")
"""Kinds of floors that are asked for once, over all recordings."""


def shown(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of the materialization:
    the table of the worst parts, and what it was measured beside.
    """
    verdict = json.loads((artifact / VERDICT_FILE).read_text())
    rows = verdict["details"].pop("worst", [])
    page: dict[str, Any] = {"verdict": dg.MetadataValue.json(verdict)}
    if rows:
        columns = [dg.TableColumn(name, "string") for name in COLUMNS]
        records = [dg.TableRecord(_record(row)) for row in rows[:SHOWN]]
        page["worst"] = dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
    if judged := [row for row in verdict["criteria"] if row["kind"] in WHOLE]:
        page["judged"] = dg.MetadataValue.table([dg.TableRecord(_criterion(row)) for row in judged])
    if (artifact / RATE_FILE).is_file():
        page["rate"] = dg.MetadataValue.md(rate_markdown((artifact / RATE_FILE).read_bytes()))
    if verdict.get("incumbent"):
        page["beside"] = dg.MetadataValue.md(_comparison(verdict["measurements"], verdict["incumbent"]))
    if files := verdict["details"].get("split"):
        page |= {f"{name}_digest": said["digest"] for name, said in files.items()}
    if verdict.get("tries"):
        page["tries"] = verdict["tries"]
    return page


def _record(row: Mapping[str, Any]) -> dict[str, str]:
    second = "" if row["from_s"] is None else f"{row['from_s']:g} to {row['to_s']:g}"
    return {
        "patient": row["patient"],
        "recording": row["recording"],
        "channel": row["channel"] or "all",
        "second": second or "all",
        "figure": row["figure"],
        "floor": f"{row['op']} {row['floor']:g}",
        "measured": _number(row["measured"]),
        "margin": "-" if row["margin"] is None else f"{row['margin']:.1f} %",
    }


def _criterion(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        "floor of": row["kind"],
        "figure": row["name"],
        "floor": f"{row['op']} {row['floor']:g}",
        "measured": _number(row["measured"]),
        "": "met" if row["passed"] else "MISSED",
    }


def _comparison(ours: Mapping[str, float | None], incumbent: Mapping[str, Any]) -> str:
    """Returns a table of the candidate and what it would replace, on the same recordings."""
    lines = [
        f"What it would replace is `{incumbent['candidate'][:12]}`.",
        "",
        "| figure | candidate | before | |",
        "|---|---|---|---|",
    ]
    for name, before in sorted(incumbent["figures"].items()):
        worse = "worse" if name in incumbent["worse"] else ""
        lines.append(f"| {name} | {_number(ours.get(name))} | {_number(before)} | {worse} |")
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.5g}"
