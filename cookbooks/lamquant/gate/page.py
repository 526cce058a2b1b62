"""Shows a verdict in the UI: every figure beside its floor, the worst first, and the comparison.

A bar is the share of what a floor allows that is used up: full at the floor. The columns that are asked for
first stand first, since a narrow page cuts the last ones off.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_resources.registry.verdicts import VERDICT_FILE
from cookbooks.lamquant.gate.rate_picture import RATE_FILE, rate_markdown
from cookbooks.lamquant.signal.bands import BANDS

SHOWN = 60
"""Rows on the page; ``verdict.json`` has more."""
COLUMNS = (
    *("figure", "measured", "floor", "margin", "used up"),
    *("band", "channel", "second", "recording", "patient"),
)
CLOSEST, BLOCKS, KEEP = 6, 10, "\N{NO-BREAK SPACE}"
"""Figures in the list of bars, the worst of each name; blocks of a full bar; a space that ends no line."""

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
        page["floors"] = dg.MetadataValue.md(_bars(verdict["passed"], rows))
        page["worst"] = worst_table(rows, SHOWN)
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


def worst_table(rows: Sequence[Mapping[str, Any]], most: int) -> dg.TableMetadataValue:
    """Returns a table of the first parts of the recordings beside their floors."""
    columns = [dg.TableColumn(name, "string") for name in COLUMNS]
    return dg.MetadataValue.table(
        [dg.TableRecord(_record(row)) for row in rows[:most]], schema=dg.TableSchema(columns)
    )


def _bars(passed: bool, rows: Iterable[Mapping[str, Any]]) -> str:
    """Returns the figures that are closest to their floors, and what a pass does not say of them."""
    worst: dict[str, Mapping[str, Any]] = {}
    for row in rows:
        worst.setdefault(row["figure"].removeprefix("channel_"), row)
    items = [
        f"- {_bar(row['margin'])}  \n  {name} {_number(row['measured'], 3)} ({row['op']} {row['floor']:g})"
        for name, row in [*worst.items()][:CLOSEST]
    ]
    lost = {name: row["measured"] for name, row in worst.items() if name.endswith("_prd") and row["measured"]}
    band, error = max(lost.items(), key=lambda item: item[1], default=("", 0.0))
    said = f"Worst band: {band.removesuffix('_prd')}, PRD {error:.0f} %."
    first = "**Passed.**" if passed else "**Refused.**"
    return "\n".join([f"{first} Used of what floors allow:", *items, *(["", said] if band else [])])


def _bar(margin: float | None) -> str:
    """Returns how much of what a floor allows is used up; all of it where nothing was measured."""
    if margin is None:
        return f"{'█' * BLOCKS} ?"
    share = (100 - margin) / 100
    full = min(BLOCKS, max(0, round(share * BLOCKS)))
    return (
        f"{'█' * full}{'░' * (BLOCKS - full)}{KEEP}{100 * share:.0f}{KEEP}%{' MISSED' if margin < 0 else ''}"
    )


def _band(figure: str) -> str:
    return next((word for word in figure.split("_") if word in BANDS), "full")


def _record(row: Mapping[str, Any]) -> dict[str, str]:
    second = "" if row["from_s"] is None else f"{row['from_s']:g}{KEEP}to{KEEP}{row['to_s']:g}"
    return {
        "figure": row["figure"],
        "measured": _number(row["measured"], 4),
        "floor": f"{row['op']}{KEEP}{row['floor']:g}",
        "margin": "-" if row["margin"] is None else f"{row['margin']:.1f}{KEEP}%",
        "used up": _bar(row["margin"]),
        "band": _band(row["figure"]),
        "channel": row["channel"] or "all",
        "second": second or "all",
        "recording": row["recording"],
        "patient": row["patient"],
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
        f"Before is `{incumbent['candidate'][:12]}`.",
        "",
        "| figure | candidate | before | |",
        "|---|---|---|---|",
    ]
    for name, before in sorted(incumbent["figures"].items()):
        worse = "worse" if name in incumbent["worse"] else ""
        lines.append(f"| {name} | {_number(ours.get(name))} | {_number(before)} | {worse} |")
    return "\n".join(lines)


def _number(value: float | None, digits: int = 5) -> str:
    return "not measured" if value is None else f"{value:.{digits}g}"
