"""Draws one curve in so few characters that Dagster shows it in place: of longer Markdown it shows a link."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from blut_assets.pages.headline import INLINE
from blut_resources.runs.metrics import INDEX, RESUMED_FROM
from blut_resources.text import html, one_line

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 256, 110, 52, 246, 20, 88
MOST = 2
"""Curves of one training that are shown in place."""
CURVE_OF = "curve of "
"""How their metadata is called, before the metric."""
Point = tuple[float, float]


def small_curves(rows: Sequence[Mapping[str, Any]], kept: int | None) -> dict[str, str]:
    """Returns curves that move as Markdown by metric: those of validation first, by which a result is chosen.

    Args:
        rows: one an epoch, as flat values by name.
        kept: the epoch whose state is the result, if that is known.
    """
    seams = seams_of(rows)
    found: dict[str, str] = {}
    for name in sorted(names_of(rows), key=lambda name: "val" not in name):
        points = [(row["epoch"], row[name]) for row in rows if is_finite(row.get(name))]
        if len(found) < MOST and len({y for _, y in points}) > 1 and len({x for x, _ in points}) > 1:
            found[name] = _markdown(name, points, seams, kept)
    return {name: text for name, text in found.items() if text}


def names_of(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns the metrics of epochs, in the order in which they were first reported."""
    return [*dict.fromkeys(name for row in rows for name in row if name not in (*INDEX, RESUMED_FROM))]


def seams_of(rows: Sequence[Mapping[str, Any]]) -> list[float]:
    """Returns the epochs behind which a training was resumed."""
    return sorted({row[RESUMED_FROM] for row in rows if row.get(RESUMED_FROM) is not None})


def is_finite(value: Any) -> bool:
    """Says whether a value of a row can be drawn."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _markdown(name: str, points: Sequence[Point], seams: Sequence[float], kept: int | None) -> str:
    """Returns the picture with as many points as there is room for; empty where there is none."""
    for most in (60, 40, 24, 12):
        svg = _svg(one_line(name, 24), points, _some(points, most), seams[-2:], kept)
        text = f"![curve](<data:image/svg+xml,{quote(svg, safe=' =/:;,.()')}>)".replace("%27", "'")
        if len(text) <= INLINE:
            return text
    return ""


def _some(points: Sequence[Point], most: int) -> list[Point]:
    """Returns so many of the points at most, the last one and the extremes among them."""
    step = math.ceil(len(points) / most)
    ends = {min(points, key=lambda p: p[1]), max(points, key=lambda p: p[1]), points[-1]}
    return sorted({*points[::step], *ends})


def _svg(
    name: str, points: Sequence[Point], drawn: Sequence[Point], seams: Iterable[float], kept: int | None
) -> str:
    xs, ys = [x for x, _ in points], [y for _, y in points]
    (left, right), (low, high) = (min(xs), max(xs)), (min(ys), max(ys))

    def across(x: float) -> int:
        return round(LEFT + (RIGHT - LEFT) * (x - left) / (right - left))

    def up(y: float) -> int:
        return round(TOP + (BOTTOM - TOP) * (high - y) / (high - low))

    line = "L".join(f"{across(x)} {up(y)}" for x, y in drawn)
    known = dict(points)
    told = f"; kept {kept}: {known[kept]:.4g} (green)" if kept in known else ""
    marks = "".join(
        f"<path d='M{across(s)} {TOP}V{BOTTOM}' stroke='#c52'/>" for s in seams if left <= s < right
    )
    if kept in known:
        marks += f"<circle cx='{across(kept)}' cy='{up(known[kept])}' r='4' fill='#3a3'/>"
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}' font-size='11'"
        f" font-family='Arial'><path d='M0 0H{WIDTH}V{HEIGHT}H0' fill='#fff'/>"
        f"<path d='M{LEFT} {TOP}V{BOTTOM}H{RIGHT}M{line}' fill='none' stroke='#26a'/>{marks}"
        f"<text y='12' x='4'>{html(name)}</text>"
        f"<text y='{TOP + 8}' x='4'>{high:.4g}</text><text y='{BOTTOM}' x='4'>{low:.4g}</text>"
        f"<text y='104' x='4'>epoch {left:g} to {right:g}{told}</text></svg>"
    )
