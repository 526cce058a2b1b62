"""Estimates the time that is left, by the pace so far."""

import time

DOING = "doing"
"""Among the values of a step: what it is a step of, in words."""


class TimeLeft:
    """Measures how something grows towards a total."""

    def __init__(self) -> None:
        self._total: float | None = None
        self._seen: list[tuple[float, float]] = []

    def note(self, done: float, total: float | None, at: float) -> None:
        """Take how much is done at a time in seconds since 1970.

        Numbers that fall, or another total, are another pass over the same: it begins anew.
        """
        if total != self._total or (self._seen and done < self._seen[-1][0]):
            self._total, self._seen = total, []
        self._seen = [*self._seen[:1], (done, at)]

    def seconds(self) -> float | None:
        """Returns the seconds until the end, from the pace since the first; None where nobody can tell."""
        seen, total = self._seen, self._total  # another thread goes on
        if total is None or len(seen) < 2 or seen[-1][0] <= seen[0][0]:
            return None
        (first, begun), (last, now) = seen[0], seen[-1]
        each = (now - begun) / (last - first)
        return max(0.0, each * (total - last) - (time.time() - now))
