"""Finds the quantiser steps that keep what was promised, in two or three attempts.

A search says which step indices to try, and is told what came of them: the mean squared error of each
channel, or bytes. What it predicts has the shape of ``Curves`` and a factor from the last attempt, so a
second guess is nearly always within one index, 1/64 octave. Errors are corrected channel by channel, since
channels that are coded together share their errors.
"""

from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.curves import MIN_STEP_INDEX, Curves
from cookbooks.lamquant.lqc.levels import LEVEL_ZERO, LEVELS_PER_OCTAVE, MAX_STEP_INDEX, STEPS_PER_OCTAVE

Steps = list[NDArray[np.int64]]
"""Step indices [C] of each signal."""
Verdict = Literal["good", "again", "never"]
NEAR = (0.015, 0.04, 1.0)
"""By how much the first, second and any later attempt may stay below what is allowed, and be good enough."""
_AIM = 0.997
"""The share of what is allowed that is aimed at: a prediction is off by less."""
_PER_LEVEL = STEPS_PER_OCTAVE // LEVELS_PER_OCTAVE


class Search(Protocol):
    """Says what to try next, and is told what came of it."""

    def steps(self) -> Steps:
        """Returns the step indices to try."""
        ...

    def told(self, errors: list[NDArray[np.float64]], n_bytes: float, *, sampled: bool) -> Verdict:
        """Returns whether the attempt is ``good``, or another one should be made, or none would help.

        ``errors`` are mean squared errors [C] of each signal, ``n_bytes`` those of the file; of an attempt on
        a sample of it, what can be told from it.
        """
        ...


class ErrorSearch:
    """Looks for the largest steps whose mean squared errors are within what is allowed.

    Args:
        curves: of each signal's channels.
        allowed: the mean squared error that each channel may have, squared digital units.
        least: smallest step indices.
        most: largest step indices that the model was trained for.
        each: whether every channel must keep what it is allowed, or all of them together.
    """

    def __init__(
        self,
        curves: list[Curves],
        allowed: list[NDArray[np.float64]],
        least: Steps,
        most: Steps,
        *,
        each: bool,
    ) -> None:
        self._curves, self._allowed, self._each = curves, allowed, each
        self._least, self._most, self._passes = least, [one.copy() for one in most], 0
        self._steps = [
            self._bounded(i, curve.solve(want * _AIM**2, np.ones(len(want))))
            for i, (curve, want) in enumerate(zip(curves, allowed, strict=True))
        ]

    def steps(self) -> Steps:
        """Returns the step indices to try."""
        return self._steps

    def told(self, errors: list[NDArray[np.float64]], n_bytes: float, *, sampled: bool) -> Verdict:
        """Returns whether the errors are allowed and near what is allowed, see ``Search``."""
        self._passes += not sampled
        move = self._one if self._each else self._together
        moves = [move(i, error, sampled) for i, error in enumerate(errors)]
        if not sampled and all(content for content, _ in moves):
            return "good"
        after = [steps for _, steps in moves]
        if not sampled and all(np.array_equal(a, b) for a, b in zip(after, self._steps, strict=True)):
            return "never"
        self._steps = after
        return "again"

    def missed(self, errors: list[NDArray[np.float64]]) -> list[NDArray[np.bool_]]:
        """Says of each channel [C] whether its error of an attempt was more than allowed: of one at least."""
        shares = [error / want for error, want in zip(errors, self._allowed, strict=True)]
        limit = min(1.0, max(float(share.max()) for share in shares) * (1 - 1e-9))
        return [share > limit for share in shares]

    def _one(self, i: int, error: NDArray[np.float64], sampled: bool) -> tuple[bool, NDArray[np.int64]]:
        """Returns whether every channel for itself will do, and what to try otherwise."""
        want, now = self._allowed[i], self._steps[i]
        kept = error <= want
        if not sampled:
            self._most[i] = np.where(kept, self._most[i], np.minimum(self._most[i], now - 1))
        # an error moves by a percent by chance, and of many channels one will: later ones aim lower
        many = len(want) > 1
        better = self._better(i, error, want * (1 - (0.01 if sampled else 0.01 * self._passes) * many) ** 2)
        better = self._bounded(i, np.where(kept | sampled, better, np.minimum(better, now - 1)))
        if kept.all() and not sampled:
            better = np.maximum(better, now)
            free = better > now
            return not free.any() or _mean_share(error[free], want[free]) >= 1 - self._near, better
        return False, np.where(kept, np.minimum(now, better), better) if self._passes > 1 else better

    def _together(self, i: int, error: NDArray[np.float64], sampled: bool) -> tuple[bool, NDArray[np.int64]]:
        """Returns whether the channels of a signal together will do, and what to try otherwise."""
        want, now = self._allowed[i], self._steps[i]
        share = float(np.sqrt(max((error / want).mean(), error.sum() / want.sum())))
        # single channels are set right once; then all of them move, so that what they share is found
        aim = want if sampled or self._passes == 1 else error / share**2
        better = self._bounded(i, self._better(i, error, aim))
        if share > 1 and np.array_equal(better, now):
            better = self._bounded(i, now - 1)
        return share <= 1 and (share >= 1 - self._near or np.array_equal(better, now)), better

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
        self, curves: list[Curves], rms: list[NDArray[np.float64]], budget: float, finest: int
    ) -> None:
        self._curves, self._budget = curves, budget
        self._base = [
            np.round(STEPS_PER_OCTAVE * np.log2(np.maximum(one, 1e-6))).astype(np.int64) for one in rms
        ]
        self._low = -(finest - LEVEL_ZERO) * _PER_LEVEL
        self._high = 40 * _PER_LEVEL
        self._too_large, self._fits = self._low - 1, self._high
        self._at = self._solve(1.0)

    def steps(self) -> Steps:
        """Returns the step indices to try."""
        return self._steps_at(self._at)

    def told(self, errors: list[NDArray[np.float64]], n_bytes: float, *, sampled: bool) -> Verdict:
        """Returns whether the bytes are within the budget and near it, see ``Search``."""
        factor = n_bytes / max(self._bytes(self._at), 1e-9)
        if sampled:
            self._at = self._solve(factor)
            return "again"
        if n_bytes <= self._budget:
            self._fits = min(self._fits, self._at)
            if n_bytes >= (1 - NEAR[0]) * self._budget or self._fits - self._too_large <= 1:
                return "good"
        else:
            self._too_large = max(self._too_large, self._at)
            if self._too_large >= self._high:
                return "never"
        better = min(max(self._solve(factor), self._too_large + 1), max(self._fits - 1, self._too_large + 1))
        self._at = better
        return "again"

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
