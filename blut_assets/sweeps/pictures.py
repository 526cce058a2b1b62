"""Draws the trials of a sweep: a line for each across all axes, and each axis against the metric.

SVG without a library: the control plane draws it, and a browser without scripts shows it. Colour goes with
the rank, and the best trial is also the only thick line, with its number.
"""

from collections.abc import Sequence
from typing import NamedTuple

from blut_assets.sweeps.grid import words_of
from blut_assets.sweeps.scales import Scale, is_number, scale_of
from blut_assets.sweeps.standing import BestTrial
from blut_resources.text import html, one_line

MOST = 400
"""Trials that are drawn, the best ones."""
GAP, HEIGHT, LEFT, TOP, BOTTOM = 170, 300, 70, 46, 34
PLOT_WIDTH, PLOT_HEIGHT, COLUMNS, RIGHT, UPPER, LOWER = 300, 200, 3, 30, 26, 38
GREY = ' fill="#777" stroke="#fff" stroke-width="3" paint-order="stroke"'
"""Of marks, which stay readable above lines."""
BEST, WORST = (197, 48, 48), (190, 205, 224)
"""Colours of the first and of the last, as red, green and blue."""


class _Scales(NamedTuple):
    """Holds where the values of each argument lie, and those of the metric."""

    arguments: Sequence[Scale]
    metric: Scale


def parallel(ranked: Sequence[BestTrial]) -> str:
    """Returns an SVG with an upright line for each argument and one for the metric, the best value on top.

    Args:
        ranked: trials with a value of the metric, the best one first; at least one.
    """
    shown = ranked[:MOST]
    scales = _scales(shown)
    down = ranked[0].value < ranked[-1].value  # the lowest is the best, and is to be on top
    places = [LEFT + GAP * n for n in range(len(scales.arguments) + 1)]
    lines = [_line(one, _shade(n, shown), scales, places, down) for n, one in enumerate(shown)]
    axes = [_upright(scale, x) for scale, x in zip(scales.arguments, places[:-1], strict=True)]
    axes += [_upright(scales.metric, places[-1], down)]
    return _svg(places[-1] + LEFT, HEIGHT, f"{_title(ranked)}{''.join(reversed(lines))}{''.join(axes)}")


def against(ranked: Sequence[BestTrial]) -> str:
    """Returns an SVG with a plot for each argument: its value to the right, the metric upwards.

    Args:
        ranked: as for `parallel`.
    """
    shown = ranked[:MOST]
    scales = _scales(shown)
    columns = min(COLUMNS, max(1, len(scales.arguments)))
    rows = -(-len(scales.arguments) // columns)
    plots = [
        f'<g transform="translate({PLOT_WIDTH * (n % columns)},{PLOT_HEIGHT * (n // columns) + 20})">'
        f"{_scatter(shown, scale, scales.metric)}</g>"
        for n, scale in enumerate(scales.arguments)
    ]
    return _svg(PLOT_WIDTH * columns, PLOT_HEIGHT * rows + 20, f"{_title(ranked)}{''.join(plots)}")


def _scales(shown: Sequence[BestTrial]) -> _Scales:
    names = [*dict.fromkeys(name for one in shown for name in one.trial.overrides)]
    metric = scale_of(shown[0].metric, [one.value for one in shown])
    return _Scales([scale_of(name, _values(name, shown)) for name in names], metric)


def _values(name: str, shown: Sequence[BestTrial]) -> list[object]:
    """Returns what an argument was, in an order that does not depend on how good it was."""
    found = [one.trial.overrides[name] for one in shown if name in one.trial.overrides]
    return sorted(found, key=_order)


def _order(value: object) -> tuple[int, float, str]:
    return (0, float(value), "") if is_number(value) else (1, 0.0, str(value))  # type: ignore[arg-type]


def _shade(place: int, shown: Sequence[BestTrial]) -> float:
    """Returns 0 for the best and 1 for the last."""
    return place / max(1, len(shown) - 1)


def _line(one: BestTrial, shade: float, scales: _Scales, places: Sequence[float], down: bool) -> str:
    values = one.trial.overrides
    found = [scale.place(values[scale.name]) if scale.name in values else None for scale in scales.arguments]
    end = scales.metric.place(one.value) or 0.0
    along = zip(places, [*found, 1 - end if down else end], strict=True)
    points = [(x, at) for x, at in along if at is not None]
    path = " ".join(f"{x:.0f},{_height(at):.1f}" for x, at in points)
    told = one_line(f"trial {one.trial.number}: {words_of(values)} {one.metric}={one.value:.6g}", 300)
    best = shade == 0
    return (
        f'<polyline points="{path}" fill="none" stroke="{_colour(shade)}" stroke-opacity="0.8"'
        f' stroke-width="{3 if best else 1.2}"><title>{html(told)}</title></polyline>'
        + (_text(points[-1][0] + 6, _height(points[-1][1]) - 6, one.trial.number, bold=True) if best else "")
    )


def _upright(scale: Scale, x: float, down: bool = False) -> str:
    marks = [
        _text(x - 5, _height(1 - at if down else at) + 4, word, anchor="end", grey=True)
        for at, word in scale.marks
    ]
    name = _text(x, HEIGHT - BOTTOM + 20, _name(scale), anchor="middle", bold=True)
    return f'<path d="M{x:.0f} {TOP}V{HEIGHT - BOTTOM}" stroke="#555"/>{"".join(marks)}{name}'


def _height(at: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - at)


def _scatter(shown: Sequence[BestTrial], scale: Scale, metric: Scale) -> str:
    width, bottom = PLOT_WIDTH - LEFT - RIGHT, PLOT_HEIGHT - LOWER
    dots = []
    for n, one in enumerate(shown):
        values = one.trial.overrides
        x, y = scale.place(values[scale.name]) if scale.name in values else None, metric.place(one.value)
        if x is not None and y is not None:
            dots.append(
                f'<circle cx="{LEFT + width * x:.1f}" cy="{bottom - (bottom - UPPER) * y:.1f}"'
                f' r="{3 if n else 5}" fill="{_colour(_shade(n, shown))}">'
                f"<title>trial {one.trial.number}</title></circle>"
            )
    low, high = metric.marks[0][1], metric.marks[-1][1]
    marks = scale.marks if len(scale.marks) <= 5 else [scale.marks[0], scale.marks[-1]]
    return "".join(
        [
            f'<path d="M{LEFT} {UPPER}V{bottom}H{PLOT_WIDTH - RIGHT}" fill="none" stroke="#bbb"/>',
            *reversed(dots),
            *(_text(LEFT + width * at, bottom + 14, word, anchor="middle", grey=True) for at, word in marks),
            _text(LEFT + 4, UPPER - 8, _name(metric), grey=True),
            _text(LEFT - 5, UPPER + 4, high, anchor="end", grey=True),
            _text(LEFT - 5, bottom, low, anchor="end", grey=True),
            _text(LEFT + width / 2, bottom + 30, _name(scale), anchor="middle", bold=True),
        ]
    )


def _name(scale: Scale) -> str:
    return f"{one_line(scale.name, 24)}{' (log)' if scale.logarithmic else ''}"


def _colour(shade: float) -> str:
    red, green, blue = (round(a + (b - a) * shade) for a, b in zip(BEST, WORST, strict=True))
    return f"#{red:02x}{green:02x}{blue:02x}"


def _title(ranked: Sequence[BestTrial]) -> str:
    best, count = ranked[0], len(ranked)
    cut = f", the best {MOST} of {count}" if count > MOST else ""
    told = f"{best.metric} of {min(count, MOST)} trials{cut}"
    return _text(8, 16, f"{told}; best {best.value:.4g}, trial {best.trial.number}", bold=True)


def _text(
    x: float, y: float, said: object, *, anchor: str = "start", bold: bool = False, grey: bool = False
) -> str:
    how = (' font-weight="bold"' if bold else "") + (GREY if grey else "")
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{how}>{html(one_line(said, 120))}</text>'


def _svg(width: float, height: float, inside: str) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
    style = 'font-family="sans-serif" font-size="11" fill="#333"'
    return f'{head} {style}><rect width="100%" height="100%" fill="#fff"/>{inside}</svg>'
