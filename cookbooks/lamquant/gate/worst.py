"""Finds the worst part of each recording: every figure beside its floor, the least margin first."""

from collections.abc import Iterable, Mapping
from typing import Any

from blut_resources.registry.verdicts import Floor
from cookbooks.lamquant.gate.measure import Part

MAX_ROWS = 200
"""Rows that a verdict carries: a corpus of hundreds of recordings has more parts than anybody reads."""

Row = dict[str, Any]


def margin(floor: Floor, measured: float | None) -> float | None:
    """Returns how much of what a floor allows is left, in percent: 0 at the floor, negative below it.

    Of an error and of a ratio it is a share of the floor, of a correlation a share of its distance from 1.
    None where nothing was measured.
    """
    if measured is None:
        return None
    left = measured - floor.floor if floor.op == ">=" else floor.floor - measured
    allowed = 1 - floor.floor if floor.name.split("_")[-1] == "r" else floor.floor
    return 100 * left / (allowed or 1)


def rows_of(
    stem: str, figures: Mapping[str, Any], parts: Iterable[Part], floors: Iterable[Floor]
) -> list[Row]:
    """Returns every figure of a recording that has a floor, and of each of its parts, worst first."""
    of_stem = {floor.name: floor for floor in floors if floor.scope == stem}
    of_parts = {name for name, floor in of_stem.items() if floor.kind in ("channel", "stretch")}
    whole = [Part(name, figures[name], "") for name in of_stem if name not in of_parts]
    rows = [
        _row(stem, str(figures["subject"]), part, of_stem[part.figure])
        for part in (*whole, *parts)
        if part.figure in of_stem
    ]
    return worst_first(rows)


def worst_first(rows: Iterable[Row]) -> list[Row]:
    """Sort rows by margin, what could not be measured before all."""
    return sorted(rows, key=lambda row: (row["margin"] is not None, row["margin"] or 0.0))


def sentence(row: Row) -> str:
    """Returns a row in words: patient, recording, channel and second, figure, floor and margin."""
    measured = "not measured" if row["measured"] is None else f"{row['measured']:.4g}"
    left = "" if row["margin"] is None else f" (margin {row['margin']:.0f} %)"
    return f"{place(row)}: {row['figure']} is {measured}, required {row['op']} {row['floor']:g}{left}"


def missed_by_parts(rows: Iterable[Row]) -> list[str]:
    """Says which worst channel and stretch of each recording miss, of rows with the worst first."""
    missed: dict[tuple[str, str], str] = {}
    for row in rows:
        if row["kind"] in ("channel", "stretch") and (row["margin"] is None or row["margin"] < 0):
            missed.setdefault((row["recording"], row["kind"]), f"worst {row['kind']}: {sentence(row)}")
    return list(missed.values())


def place(row: Row) -> str:
    """Says where a row is about."""
    words = [f"patient {row['patient']}", f"recording {row['recording']}"]
    if row["channel"]:
        words.append(f"channel {row['channel']}")
    if row["from_s"] is not None:
        words.append(f"second {row['from_s']:g} to {row['to_s']:g}")
    return ", ".join(words)


def _row(stem: str, patient: str, part: Part, floor: Floor) -> Row:
    return {
        "patient": patient,
        "recording": stem,
        "channel": part.channel,
        "from_s": part.from_s,
        "to_s": part.to_s,
        "kind": floor.kind,
        "figure": part.figure,
        "op": floor.op,
        "floor": floor.floor,
        "measured": part.measured,
        "margin": margin(floor, part.measured),
    }
