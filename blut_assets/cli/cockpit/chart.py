"""Draws curves over each other in characters, each with a sign of its own."""

import math
from collections.abc import Sequence

from blut_assets.cli.cockpit.drawing import cut

SIGNS = "*o+x"
"""Of the curves, in their order; where several meet, the later one is seen."""
SEAM = "^"
LABEL = 10
"""Columns of a value beside the axis."""
Points = Sequence[tuple[float, float]]


def chart(
    curves: Sequence[Points], seams: Sequence[Sequence[float]], width: int, height: int, *, logarithmic: bool
) -> list[str]:
    """Returns lines: the curves, an axis with `SEAM` where one was resumed, and the first and last epoch.

    Args:
        curves: of each the epochs with their values; at most as many as there are `SIGNS`.
        seams: of each the last epochs before a resume.
        logarithmic: of the values those that are positive, by their logarithm.
    """
    shown = [[(x, y) for x, y in curve if y > 0 or not logarithmic] for curve in curves]
    every = [point for curve in shown for point in curve]
    columns = width - LABEL - 2
    if not every or columns < 2 or height < 2:
        why = "no value above 0 to draw by its logarithm" if logarithmic else "no value to draw"
        return [cut(why, width)]
    left, right = min(x for x, _ in every), max(x for x, _ in every)
    low, high = min(y for _, y in every), max(y for _, y in every)

    def column(x: float) -> int:
        return min(columns - 1, max(0, _share(x, left, right, columns)))

    grid = [[" "] * columns for _ in range(height)]
    for sign, curve in zip(SIGNS, shown, strict=False):
        for x, y in curve:
            of = (math.log(y), math.log(low), math.log(high)) if logarithmic else (y, low, high)
            grid[height - 1 - _share(*of, height)][column(x)] = sign
    axis = ["-"] * columns
    for seam in {seam for some in seams for seam in some}:
        axis[column(seam)] = SEAM
    labels = {0: f"{high:.4g}", height - 1: f"{low:.4g}"}
    lines = [f"{labels.get(n, ''):>{LABEL}} |{''.join(row)}".rstrip() for n, row in enumerate(grid)]
    first, last = f"{left:g}", f"{right:g}"
    below = f"{'epoch':>{LABEL}}  {first}{last:>{max(1, columns - len(first))}}"
    return [*lines, f"{'':{LABEL}} +{''.join(axis)}", cut(below, width)]


def _share(value: float, low: float, high: float, steps: int) -> int:
    """Returns which of so many steps a value is on; the lowest where all are the same."""
    span = high - low
    if not span or not math.isfinite(span):
        return 0
    return round((steps - 1) * (value - low) / span)
