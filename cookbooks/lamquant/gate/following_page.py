"""Shows a verdict on bits that follow states: what it is compared with, and what became of each recording."""

import json
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.registry.verdicts import VERDICT_FILE
from cookbooks.lamquant.gate.page import shown


def shown_following(artifact: Path) -> dict[str, Any]:
    """Returns the metadata of the materialization: that of any codec, the comparison, and the recordings."""
    page = shown(artifact)
    verdict = json.loads((artifact / VERDICT_FILE).read_text())
    page["figures"] = dg.MetadataValue.md(_figures(verdict))
    if rows := verdict["details"]["states"]:
        page["states"] = dg.MetadataValue.table([dg.TableRecord(_record(row)) for row in rows])
    return page


def _figures(verdict: dict[str, Any]) -> str:
    """Returns a table of the criteria of the whole corpus, and beside what the candidate was compared."""
    lines = ["| figure | measured | floor | |", "|---|---|---|---|"]
    for one in verdict["criteria"]:
        if one["kind"] in ("comparison", "decision", "minimum", "integrity"):
            met = "met" if one["passed"] else "**missed**"
            floor = f"{one['op']} {one['floor']:g}"
            lines.append(f"| {one['name']} | {_number(one['measured'])} | {floor} | {met} |")
    constant = verdict["details"]["constant"]
    if constant:
        lines += [
            "",
            f"At constant level {constant['level']:.4g} critical seconds have an error of"
            f" {constant['prdn']:.4g} %, and the recordings take {constant['n_bytes']:,} bytes.",
        ]
    levels = ", ".join(str(level) for level in verdict["details"]["levels"])
    lines += ["", f"QUIET, BASELINE, INTERESTING and CRITICAL are coded at levels {levels}.", ""]
    if verdict.get("synthetic"):
        lines += ["**Synthetic recordings: nothing of this is a claim about patients.**"]
    return "\n".join(lines)


def _record(row: dict[str, Any]) -> dict[str, str]:
    quiet, baseline, interesting, critical = (f"{100 * share:.1f} %" for share in row["shares"])
    return {
        "patient": row["patient"],
        "recording": row["recording"],
        "CR": _number(row["cr"]),
        "critical seconds": f"{row['critical_s']:g}",
        "PRDN in them": _number(row["critical_prdn"]),
        "PRDN elsewhere": _number(row["elsewhere_prdn"]),
        "LQS in them": row["critical_grade"] or "",
        "QUIET": quiet,
        "BASELINE": baseline,
        "INTERESTING": interesting,
        "CRITICAL": critical,
    }


def _number(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.4g}"
