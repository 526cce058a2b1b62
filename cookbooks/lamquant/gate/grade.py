"""Grades a recording and a corpus by LQS.

The ladder is that of LQS v1.1: AND-gates from the strictest level down, and a corpus has the grade of its
worst recording.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from cookbooks.lamquant.signal.bands import GATED, BandName

Level = Literal["L", "N", "C", "M", "A", "below"]
Limits = dict[BandName, tuple[float, float]]
Figures = Mapping[str, Any]
LEVELS: tuple[Level, ...] = ("L", "N", "C", "M", "A", "below")


def _limits(*limits: tuple[float, float]) -> Limits:
    return dict(zip(GATED, limits, strict=True))


# level: (min R, max PRD %, min CR, {band: (max PRD %, min R)}), strictest first; L is a rule of its own
LADDER: dict[Level, tuple[float, float, float, Limits]] = {
    "N": (0.99, 5, 1, {}),
    "C": (0.95, 9, 20, _limits((5, 0.98), (7, 0.97), (8, 0.96), (12, 0.93), (20, 0.85))),
    "M": (0.85, 20, 100, _limits((10, 0.95), (12, 0.93), (15, 0.90), (25, 0.80), (40, 0.60))),
    "A": (0.70, 40, 200, _limits((20, 0.85), (25, 0.80), (30, 0.75), (40, 0.65), (60, 0.40))),
}
LOSSLESS_MIN_CR = 0.8
ROUNDING = 1e-9
"""By how much a computed correlation may exceed 1."""


def lqs_level(level: Level) -> int:
    """Returns the level as a number that is larger for the stricter: 0 is below the ladder, 5 is lossless."""
    return LEVELS.index("below") - LEVELS.index(level)


def grade_recording(figures: Figures, bands: Iterable[BandName]) -> Level:
    """Returns the LQS level of one recording; ``bands`` are the bands the registry declares.

    ``figures`` holds ``exact``, ``r``, ``prd``, ``cr`` and ``<band>_prd``, ``<band>_r``. What is missing or
    not finite reaches no level.
    """
    declared, cr = set(bands), _number(figures.get("cr"))
    if figures.get("exact") is True and cr >= LOSSLESS_MIN_CR:
        return "L"
    for level, (min_r, max_prd, min_cr, gates) in LADDER.items():
        whole = cr >= min_cr and _within(figures, "", max_prd, min_r)
        if whole and all(_within(figures, f"{b}_", *gate) for b, gate in gates.items() if b in declared):
            return level
    return "below"


def grade_corpus(levels: Iterable[Level]) -> Level:
    """Returns the worst level; no recording at all is ``below``."""
    return LEVELS[max((LEVELS.index(level) for level in levels), default=len(LEVELS) - 1)]


def _within(figures: Figures, prefix: str, max_prd: float, min_r: float) -> bool:
    return _number(figures.get(f"{prefix}r")) >= min_r and _number(figures.get(f"{prefix}prd")) <= max_prd


def _number(value: Any) -> float:
    """Returns a finite number or NaN, which satisfies no comparison."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return math.nan
    return float(value)
