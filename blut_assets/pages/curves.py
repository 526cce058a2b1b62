"""Draws curves over the epochs of one training when it is over: where it was resumed, which epoch was kept.

Dagster plots over materializations by itself, and the observations of all trainings in one line; a picture in
the materialization shows this training alone, and where the result is reused a link leads to it.
"""

import base64
import json
import math
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import dagster as dg

from blut_assets.pages.small_curve import CURVE_OF, is_finite, names_of, seams_of, small_curves
from blut_resources.files.foreign import read_regular
from blut_resources.runs.curve import merged
from blut_resources.text import html, one_line

WIDTH, HEIGHT, LEFT, MARGIN, COLUMNS, MOST = 300, 170, 68, 34, 3, 12
KEPT, LARGEST = "best_epoch", 100_000
"""Field of a JSON file in a result that says which epoch's state that is; bytes of a file that is read."""
Row = dict[str, Any]


class Curves:
    """Keeps the epochs that a stage function observes itself; those of payloads are kept in files."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def followed(self, events: Any) -> Generator[Any, None, Any]:
        """Yields what a stage function yields, with each epoch noted on its way, and what it returns."""
        while True:
            try:
                event = next(events)
            except StopIteration as stop:
                return stop.value
            if isinstance(event, dg.AssetObservation) and "epoch" in event.metadata:
                self.rows.append({name: entry.value for name, entry in event.metadata.items()})
            try:
                yield event
            except BaseException as error:
                events.throw(error)
                raise

    def shown(
        self, reported: Sequence[Mapping[str, Any]], kept_of: Callable[[], int | None]
    ) -> dict[str, Any]:
        """Returns the pictures as metadata; nothing where there were no epochs.

        Args:
            reported: what payloads have reported, earlier attempts included; it wins.
            kept_of: says the epoch whose state is the result, if that is known; it reads files.
        """
        rows = merged(reported) or self.rows
        if not rows:
            return {}
        kept = kept_of()
        small = {f"{CURVE_OF}{name}": text for name, text in small_curves(rows, kept).items()}
        large = {"curves": f"![curves]({data_uri(draw(rows, kept))})"}
        return {name: dg.MetadataValue.md(text) for name, text in {**small, **large}.items()}


def kept_epoch(place: Path) -> int | None:
    """Returns the epoch whose state a result is, where a JSON file of it says that as ``best_epoch``."""
    for path in sorted(place.glob("*.json")) if place.is_dir() else ():
        try:
            said = json.loads(read_regular(path, LARGEST))
        except (OSError, ValueError):
            continue
        if isinstance(said, dict) and isinstance(found := said.get(KEPT), int):
            return found
    return None


def data_uri(svg: str) -> str:
    """Returns an SVG as a data URI."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}"


def draw(rows: Sequence[Row], kept: int | None = None) -> str:
    """Returns an SVG with one small plot for each metric, over epochs.

    Args:
        kept: the epoch that is marked as the one whose state is the result.
    """
    seams = seams_of(rows)
    series = {
        name: [(row["epoch"], row[name]) for row in rows if is_finite(row.get(name))]
        for name in names_of(rows)
    }
    drawn = [(name, points) for name, points in series.items() if points][:MOST]
    columns = min(COLUMNS, max(1, len(drawn)))
    height = HEIGHT * math.ceil(len(drawn) / columns)
    plots = [
        f'<g transform="translate({WIDTH * (number % columns)},{HEIGHT * (number // columns)})">'
        f"{_plot(name, points, seams, kept)}</g>"
        for number, (name, points) in enumerate(drawn)
    ]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH * columns}" height="{height}"'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    return f'{head} {style}><rect width="100%" height="100%" fill="#fff"/>{"".join(plots)}</svg>'


def _plot(name: str, points: Sequence[tuple[float, float]], seams: Sequence[float], kept: int | None) -> str:
    (left, right), (low, high) = _range(x for x, _ in points), _range(y for _, y in points)
    inner_width, inner_height = WIDTH - LEFT - MARGIN, HEIGHT - 2 * MARGIN
    dots = [
        (
            LEFT + inner_width * ((x - left) / (right - left) if right > left else 0.5),
            MARGIN + inner_height * ((high - y) / (high - low) if high > low else 0.5),
        )
        for x, y in _thinned(points)
    ]
    at = [(s, LEFT + inner_width * (s - left) / (right - left)) for s in seams if left <= s < right]
    marks = "".join(
        f'<path d="M{x:.1f} {MARGIN}V{HEIGHT - MARGIN}" stroke="#c05621" stroke-dasharray="3 3">'
        f'<title>resumed</title></path><text x="{x + 3:.1f}" y="{MARGIN + 4}" fill="#c05621">resumed after'
        f" {seam:g}</text>"
        for seam, x in at
    )
    said = f"{points[-1][1]:.4g}"
    if kept is not None and (value := dict(points).get(kept)) is not None and right > left:
        x = LEFT + inner_width * (kept - left) / (right - left)
        marks += (
            f'<path d="M{x:.1f} {MARGIN}V{HEIGHT - MARGIN}" stroke="#2f855a"><title>kept</title></path>'
            f'<text x="{x + 3:.1f}" y="{HEIGHT - MARGIN - 4}" fill="#2f855a">kept: {kept:g}</text>'
        )
        said = f"{said}, kept {value:.4g}"
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    end_x, end_y = dots[-1]
    bottom = HEIGHT - MARGIN
    return (
        f'<text x="{LEFT}" y="18" font-weight="bold">{html(one_line(name, 24))} {said}</text>'
        f'<path d="M{LEFT} {MARGIN}V{bottom}H{WIDTH - MARGIN}" fill="none" stroke="#bbb"/>'
        f"{marks}"
        f'<polyline points="{line}" fill="none" stroke="#2b6cb0" stroke-width="1.5"/>'
        f'<circle cx="{end_x:.1f}" cy="{end_y:.1f}" r="2.5" fill="#2b6cb0"/>'
        f'<text x="{LEFT - 4}" y="{MARGIN + 4}" fill="#777" text-anchor="end">{high:.4g}</text>'
        f'<text x="{LEFT - 4}" y="{bottom}" fill="#777" text-anchor="end">{low:.4g}</text>'
        f'<text x="{LEFT}" y="{bottom + 14}" fill="#777">epoch {left:g}</text>'
        f'<text x="{WIDTH - MARGIN}" y="{bottom + 14}" fill="#777" text-anchor="end">{right:g}</text>'
        f'<text x="{(LEFT + WIDTH - MARGIN) / 2}" y="{bottom + 26}" fill="#777">epoch</text>'
    )


def _thinned(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Returns as many as can be told apart: of each stretch its lowest and highest, and the last of all."""
    step = max(1, math.ceil(len(points) / WIDTH))
    if step == 1:
        return list(points)
    stretches = (points[start : start + step] for start in range(0, len(points), step))
    ends = [{min(s, key=lambda p: p[1]), max(s, key=lambda p: p[1])} for s in stretches]
    return [*(point for pair in ends for point in sorted(pair)), points[-1]]


def _range(values: Iterable[float]) -> tuple[float, float]:
    known = list(values)
    return min(known), max(known)
