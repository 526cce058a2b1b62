"""Draws compression ratio against error: one line for each codec, both axes logarithmic, the floors dashed.

SVG without a library: the control plane draws it, for a verdict and for the leaderboard.
"""

import base64
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from blut_resources.text import html, one_line

RATE_FILE = "rate.json"
"""Points of the codecs that a verdict compares, in its artifact."""
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 640, 420, 62, 16, 34, 46
COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#762a83", "#e08214", "#4d4d4d", "#01665e", "#8c510a")
_NICE = (1, 1.5, 2, 3, 5, 7)
Points = Sequence[Sequence[float]]
"""Pairs of PRDN in percent and CR."""


@dataclass(frozen=True)
class RateFloors:
    """Holds the most PRDN in percent and the least CR that a recording may have."""

    max_prdn: float
    min_cr: float


@dataclass(frozen=True)
class _Axis:
    low: float
    high: float
    start: float
    stop: float

    def place(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return self.start + share * (self.stop - self.start)

    def ticks(self) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        found = [step * 10.0**decade for decade in decades for step in _NICE]
        return [value for value in found if self.low <= value <= self.high]


def draw_rate(title: str, curves: Mapping[str, Points], floors: RateFloors | None = None) -> str:
    """Returns the SVG of the curves, the first one thickest; curves without a finite point are left out."""
    known = {name: sorted((x, y) for x, y in points if _sound(x, y)) for name, points in curves.items()}
    known = {name: points for name, points in known.items() if points}
    xs = [x for points in known.values() for x, _ in points] + ([floors.max_prdn] if floors else [])
    ys = [y for points in known.values() for _, y in points] + ([floors.min_cr] if floors else [])
    across = _Axis(min(xs, default=1) / 1.15, max(xs, default=10) * 1.15, LEFT, WIDTH - RIGHT)
    up = _Axis(min(ys, default=1) / 1.25, max(ys, default=10) * 1.25, HEIGHT - BOTTOM, TOP)
    lines = [_line(number, points, across, up) for number, points in enumerate(known.values())]
    style = 'font-family="sans-serif" font-size="12" fill="#333"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {style}>'
        f'<rect width="100%" height="100%" fill="#fff"/>{_frame(across, up)}'
        f"{_floors(floors, across, up) if floors else ''}{''.join(lines)}{_legend(list(known))}"
        f'<text x="{LEFT}" y="20" font-weight="bold">{html(one_line(title, 90))}</text></svg>'
    )


def rate_markdown(data: bytes) -> str:
    """Returns the picture of what a verdict's ``rate.json`` says, as markdown."""
    said = json.loads(data)
    floors = RateFloors(said["max_prdn"], said["min_cr"])
    return as_markdown(draw_rate("The sealed recordings: CR against PRDN", said["curves"], floors))


def as_markdown(svg: str) -> str:
    """Returns an SVG as the markdown of a picture."""
    return f"![CR against PRDN](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _sound(x: object, y: object) -> bool:
    return all(isinstance(v, int | float) and math.isfinite(v) and v > 0 for v in (x, y))


def _frame(across: _Axis, up: _Axis) -> str:
    parts = []
    for value in across.ticks():
        x = across.place(value)
        parts.append(f'<path d="M{x:.1f} {up.start}V{up.stop}" stroke="#eee"/>')
        parts.append(f'<text x="{x:.1f}" y="{up.start + 16}" text-anchor="middle">{value:g}</text>')
    for value in up.ticks():
        y = up.place(value)
        parts.append(f'<path d="M{across.start} {y:.1f}H{across.stop}" stroke="#eee"/>')
        parts.append(f'<text x="{across.start - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}</text>')
    middle, centre = (up.start + up.stop) / 2, (across.start + across.stop) / 2
    parts.append(f'<path d="M{across.start} {up.stop}V{up.start}H{across.stop}" fill="none" stroke="#888"/>')
    parts.append(f'<text x="{centre}" y="{HEIGHT - 10}" text-anchor="middle">PRDN, %</text>')
    turned = f'transform="rotate(-90 16 {middle})"'
    parts.append(f'<text x="16" y="{middle}" text-anchor="middle" {turned}>CR of file bytes</text>')
    return "".join(parts)


def _floors(floors: RateFloors, across: _Axis, up: _Axis) -> str:
    x, y = across.place(floors.max_prdn), up.place(floors.min_cr)
    dashed = 'fill="none" stroke="#888" stroke-dasharray="5 4"'
    told = f'<text x="{x - 6:.1f}" y="{y - 6:.1f}" text-anchor="end" fill="#1b7837">within the floors</text>'
    return (
        f"{told}"
        f'<rect x="{across.start}" y="{up.stop}" width="{x - across.start:.1f}" height="{y - up.stop:.1f}"'
        ' fill="#1b7837" fill-opacity="0.06"/>'
        f'<path d="M{x:.1f} {up.start}V{up.stop}" {dashed}/>'
        f'<path d="M{across.start} {y:.1f}H{across.stop}" {dashed}/>'
    )


def _line(number: int, points: Points, across: _Axis, up: _Axis) -> str:
    colour, width = COLOURS[number % len(COLOURS)], 2.4 if number == 0 else 1.4
    dots = [(across.place(x), up.place(y)) for x, y in points]
    drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in dots)
    return f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="{width}"/>{circles}'


def _legend(names: Sequence[str]) -> str:
    parts = []
    for number, name in enumerate(names):
        y, colour = TOP + 16 + 18 * number, COLOURS[number % len(COLOURS)]
        parts.append(f'<path d="M{LEFT + 12} {y - 4}h22" stroke="{colour}" stroke-width="2.4"/>')
        parts.append(f'<text x="{LEFT + 40}" y="{y}">{html(one_line(name, 60))}</text>')
    return "".join(parts)
