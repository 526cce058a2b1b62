"""Finds the quantiser steps that keep what was promised, in two or three attempts.

A search says which step indices to try, and is told what came of them: the mean squared error of each
channel, or bytes. What it predicts has the shape of ``ErrorCurves`` and a factor from the last attempt, so a
second guess is nearly always within one index, 1/64 octave. Errors are corrected channel by channel, since
channels that are coded together share their errors.
"""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.curves import MIN_STEP_INDEX, ErrorCurves
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE, MAX_STEP_INDEX, STEPS_PER_OCTAVE

Steps = list[NDArray[np.int64]]
"""Step indices [C] of each signal."""
NEAR_EACH = 0.045
"""The same where each of several channels must keep what it is allowed, for their mean."""
Move = tuple[bool, bool, NDArray[np.int64]]
"""Whether what is allowed is kept, whether it is nearly used up, and what to try otherwise."""
Verdict = Literal["good", "again", "never"]
NEAR = (0.015, 0.03, 1.0)
"""By how much the first, second and any later attempt may stay below what is allowed, and be good enough."""
_AIM = 0.997
"""The share of what is allowed that is aimed at: a prediction is off by less."""
_PER_LEVEL = STEPS_PER_OCTAVE // LEVELS_PER_OCTAVE


class ErrorSearch:
    """Looks for the largest steps whose mean squared errors are within what is allowed.

    Args:
        curves: of each signal's channels.
        allowed: the mean squared error that each channel may have, squared digital units.
        least: smallest step indices.
        most: largest step indices that the model was trained for.
    """

    def __init__(
        self,
        curves: list[ErrorCurves],
        allowed: list[NDArray[np.float64]],
        least: Steps,
        most: Steps,
    ) -> None:
        self._curves, self._allowed = curves, allowed
        self._least, self._coarsest, self._most = least, most, [one.copy() for one in most]
        self.best: Steps | None = None
        """The last ones that kept what is allowed."""
        self._passes, self._sampled = 0, False
        self._steps = [
            self._bounded(i, curve.solve(want * _AIM**2, np.ones(len(want))))
            for i, (curve, want) in enumerate(zip(curves, allowed, strict=True))
        ]

    def steps(self) -> Steps:
        """Returns the step indices to try."""
        return self._steps

    def told(self, errors: list[NDArray[np.float64]], n_bytes: float, *, sampled: bool) -> Verdict:
        """Returns whether an attempt is ``good``: its errors are allowed, and near what is allowed or as near
        as can be; or that another one should be made, or that none would help.

        Args:
            errors: mean squared errors [C] of each signal.
            n_bytes: not looked at.
            sampled: whether the errors are those of a part of the signals.
        """
        if self._sampled and not sampled:  # what was too much in a sample need not be in all
            self._passes = 0
            self._most, self.best = [one.copy() for one in self._coarsest], None
        self._sampled, self._passes = sampled, self._passes + 1
        moves = [self._move(i, error) for i, error in enumerate(errors)]
        after, before = [steps for _, _, steps in moves], self._steps
        if all(kept for kept, _, _ in moves):
            self.best = before
            if all(near for _, near, _ in moves):
                return "good"
        self._steps = after
        return "never" if all(np.array_equal(a, b) for a, b in zip(after, before, strict=True)) else "again"

    def missed(self, errors: list[NDArray[np.float64]]) -> list[NDArray[np.bool_]]:
        """Says of each channel [C] whether its error of an attempt was more than allowed: of one at least."""
        shares = [error / want for error, want in zip(errors, self._allowed, strict=True)]
        limit = min(1.0, max(float(share.max()) for share in shares) * (1 - 1e-9))
        return [share > limit for share in shares]

    def _move(self, i: int, error: NDArray[np.float64]) -> Move:
        """Returns whether every channel keeps what it is allowed, and what to try otherwise."""
        want, now = self._allowed[i], self._steps[i]
        kept = error <= want
        self._most[i] = np.where(kept, self._most[i], np.minimum(self._most[i], now - 1))
        # an error moves by a percent by chance, and of many channels one will: later ones aim lower
        lower = 0.015 + 0.005 * self._passes if len(want) > 1 else 0.0
        better = self._better(i, error, want * (1 - lower) ** 2)
        if kept.all():
            better = self._bounded(i, np.maximum(better, now))
            near = max(self._near, NEAR_EACH if len(want) > 1 else 0.0)
            used = _mean_share(error, want) >= 1 - near or np.array_equal(better, now)
            return True, used, better
        better = self._bounded(i, np.where(kept, better, np.minimum(better, now - 1)))
        return False, False, np.where(kept, np.minimum(now, better), better) if self._passes > 1 else better

    @property
    def _near(self) -> float:
        return NEAR[min(self._passes, len(NEAR)) - 1]

    def _better(self, i: int, error: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.int64]:
        """Returns the steps whose errors should be just below ``wanted`` [C], after ``error`` [C]."""
        factor = np.maximum(error, 1e-12) / np.maximum(self._curves[i].error(self._steps[i]), 1e-12)
        return self._curves[i].solve(wanted * _AIM**2, factor)

    def _bounded(self, i: int, steps: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.maximum(np.minimum(steps, self._most[i]), self._least[i])


def _mean_share(error: NDArray[np.float64], want: NDArray[np.float64]) -> float:
    """Returns the geometric mean of errors [C] as shares of what is allowed."""
    return float(np.exp(np.log(np.maximum(np.sqrt(error / want), 0.1)).mean()))


class SizeSearch:
    """Looks for the one level of all channels at which the bytes are just within a budget.

    Args:
        curves: of each signal's channels.
        rms: of each channel without drift: the step is the same share of it in all of them.
        budget: bytes of the whole file.
        finest: level that is not exceeded: finer steps than the model was trained for.
    """

    def __init__(
        self, curves: list[ErrorCurves], rms: list[NDArray[np.float64]], budget: float, finest: int
    ) -> None:
        self._curves, self._budget = curves, budget
        self._base = [
            np.round(STEPS_PER_OCTAVE * np.log2(np.maximum(one, 1e-6))).astype(np.int64) for one in rms
        ]
        self._low = -(finest - LEVEL_ZERO) * _PER_LEVEL
        self._high = 40 * _PER_LEVEL
        self._tried: dict[int, float] = {}
        self.best: Steps | None = None
        """The finest ones whose bytes were within the budget."""
        self._at = self._solve(1.0)

    def steps(self) -> Steps:
        """Returns the step indices to try."""
        return self._steps_at(self._at)

    def told(self, errors: list[NDArray[np.float64]], n_bytes: float, *, sampled: bool) -> Verdict:
        """Returns whether an attempt is ``good``: its ``n_bytes`` are within the budget and near it.

        Those of a part of the signals are what all of it should take.
        """
        factor = n_bytes / max(self._bytes(self._at), 1e-9)
        if sampled:
            self._at = self._solve(factor)
            return "again"
        self._tried[self._at] = n_bytes
        fitting = [at for at, size in self._tried.items() if size <= self._budget]
        fits = min(fitting, default=self._high)
        too_large = max((at for at in self._tried if at < fits and at not in fitting), default=self._low - 1)
        if fitting:
            self.best = self._steps_at(fits)
        if fits == self._at and (n_bytes >= (1 - NEAR[0]) * self._budget or fits - too_large <= 1):
            return "good"
        if fits - too_large <= 1:
            return "never"
        guess = (
            self._between(too_large, fits) if {fits, too_large} <= self._tried.keys() else self._solve(factor)
        )
        self._at = min(max(guess, too_large + 1), fits - 1)
        return "again"

    def _between(self, too_large: int, fits: int) -> int:
        """Returns the index that meets the budget, if bytes are exponential between two that were tried."""
        large, small = (float(np.log(self._tried[at] / self._budget)) for at in (too_large, fits))
        return math.ceil(too_large + (fits - too_large) * large / (large - small))

    def _steps_at(self, at: int) -> Steps:
        return [np.clip(base + at, MIN_STEP_INDEX, MAX_STEP_INDEX) for base in self._base]

    def _bytes(self, at: int) -> float:
        each = zip(self._curves, self._steps_at(at), strict=True)
        return sum(curve.bits(steps) * curve.counts.sum() / 8 for curve, steps in each)

    def _solve(self, factor: float) -> int:
        """Returns the finest index within the budget, where ``factor`` times the prediction is right."""
        low, high = self._low - 1, self._high
        while high - low > 1:
            middle = (low + high) // 2
            fits = factor * self._bytes(middle) <= self._budget
            low, high = (low, middle) if fits else (middle, high)
        return high
