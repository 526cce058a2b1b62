"""Tells whether a candidate is worse than what it would replace, on the same sealed recordings."""

from collections.abc import Mapping

HEADLINE = ("worst_cr", "worst_prdn", "worst_r")
"""The figures that are compared: the ratio, the error and the correlation of the worst recording."""
TOLERANCE = 0.005
"""What two trainings of one codec differ by is no difference: half a percent of the ratio or the error. The
loss of correlation, 1 - R, goes with the square of the error, so there it is one percent."""

Summary = Mapping[str, float | None]


def worse_than(incumbent: Summary, candidate: Summary) -> list[str]:
    """Returns the headline figures on which the candidate is worse by more than the tolerance.

    A figure that either of them lacks counts as worse: that it is not cannot be shown.
    """
    return [name for name in HEADLINE if _worse(name, candidate.get(name), incumbent.get(name))]


def _worse(name: str, ours: float | None, theirs: float | None) -> bool:
    if ours is None or theirs is None:
        return True
    if name == "worst_cr":
        return ours < theirs * (1 - TOLERANCE)
    if name == "worst_r":
        return 1 - ours > (1 - theirs) * (1 + 2 * TOLERANCE)
    return ours > theirs * (1 + TOLERANCE)
