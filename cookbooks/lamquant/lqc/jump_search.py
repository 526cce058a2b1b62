"""Finds the jumps of a signal that are worth their bytes."""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.jumps import MAX_GRID, MAX_VALUE, NONE, Jumps, render
from cookbooks.lamquant.lqc.lapped import analyse, mirrored, n_frames
from cookbooks.lamquant.lqc.rms import fast_rms

THRESHOLDS = (1.5, 2.5, 5.0)
"""Least jumps that are tried of a channel alone, in RMS of the signal without drift."""
ONE_OF_MANY = (8.0,)
"""Those of one of several channels, and only where no other jumps by ``_COMMON`` or more: what channels do
together is coded once by rotations, and better (measured on joined trials)."""
_COMMON = 2.0
_REACH = 4
"""Samples on each side that a line is fitted to; two jumps are at least as far apart."""
_GRID_STEPS = 2.0
"""Values are rounded to about so many quantiser steps: what the rounding leaves is no jump worth coding."""
_PROXY_SHARE = 0.7
_PROXY_GAIN = 2.0
"""A context model codes what is left better than the estimate says; measured on real jumps, 2 to 7 times."""
_BITS_POSITION = 10.0


def find_jumps(x: NDArray[np.float64], steps: NDArray[np.float64], rate_hz: float, hop: int) -> list[Jumps]:
    """Returns the jumps of each channel of x [C, T] (digital units, centred) that are worth their bytes.

    ``steps`` [C] are the quantiser steps that the channels will be coded with.
    """
    if x.shape[1] < 4 * _REACH:
        return [NONE] * len(x)
    left, right, rms = np.zeros_like(x), np.zeros_like(x), np.array([fast_rms(one, rate_hz) for one in x])
    for one, before, after in zip(x, left, right, strict=True):
        _sides(np.ascontiguousarray(one), before, after)
    size = np.abs(right - left) / np.maximum(rms, 1e-9)[:, None]
    if len(x) > 1:
        size[:, _common(size)] = 0.0
    thresholds = THRESHOLDS if len(x) == 1 else ONE_OF_MANY
    found = [NONE] * len(x)
    for c in np.flatnonzero(size.max(1) >= thresholds[0]).tolist():
        tried = (_peaks(size[c], threshold) for threshold in thresholds)
        found[c] = _best(x[c], left[c], right[c], list(tried), float(steps[c]), hop)
    return found


def _common(size: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Returns around which samples several channels jump, [T]."""
    reach = 2 * _REACH + 1
    near = np.lib.stride_tricks.sliding_window_view(
        np.pad(size >= _COMMON, ((0, 0), (_REACH, _REACH))), reach, axis=1
    )
    return near.any(2).sum(0) > 1


def _best(
    x: NDArray[np.float64],
    left: NDArray[np.float64],
    right: NDArray[np.float64],
    tried: list[NDArray[np.int64]],
    step: float,
    hop: int,
) -> Jumps:
    """Returns those of the places tried that save the most; none if they cost more than they save."""
    grid = min(max(round(np.log2(_GRID_STEPS * step)), 0), MAX_GRID)
    without, best, most = _bits(x, step, hop), NONE, 0.0
    for at in tried:
        if not len(at) or len(at) > len(x) // (8 * _REACH):
            continue
        before, after = (np.rint(side[at] / 2.0**grid).astype(np.int64) for side in (left, right))
        if max(np.abs(before).max(), np.abs(after).max()) > MAX_VALUE:
            continue
        jumps = Jumps(at, grid, before, after)
        saved = _PROXY_GAIN * (without - _bits(x - render(jumps, len(x)), step, hop))
        values = np.log2(2 * (np.abs(before) + 1.0)) + np.log2(2 * (np.abs(after) + 1.0)) + 2
        gain = saved - values.sum() - len(at) * _BITS_POSITION
        if gain > most:
            best, most = jumps, gain
    return best


@jit
def _sides(x, left, right):
    """Fill ``left`` and ``right`` [T]: lines through the samples before and after each place, read there."""
    n, reach = len(x), _REACH
    weights = np.empty(reach)
    middle, spread = reach / 2, 0.0
    for i in range(reach):
        spread += (i + 0.5 - middle) ** 2
    for i in range(reach):
        weights[i] = 1 / reach - middle * (i + 0.5 - middle) / spread
    for t in range(reach, n - reach + 1):
        for i in range(reach):
            left[t] += weights[i] * x[t - 1 - i]
            right[t] += weights[i] * x[t + i]


def _peaks(size: NDArray[np.float64], least: float) -> NDArray[np.int64]:
    """Returns where ``size`` is at least ``least``, the largest of its neighbourhood only."""
    found = np.flatnonzero(size >= least)
    taken, kept = np.zeros(len(size), bool), []
    for t in found[np.argsort(-size[found], kind="stable")].tolist():
        if not taken[t]:
            taken[max(0, t - _REACH) : t + _REACH + 1] = True
            kept.append(t)
    return np.array(sorted(kept), np.int64)


def _bits(x: NDArray[np.float64], step: float, hop: int) -> float:
    """Returns a rough code length of x [T]: what Gaussians of each coefficient's size would take."""
    frames = n_frames(len(x), hop)
    coefficients = analyse(mirrored(x, 0, 0, frames, len(x), hop), hop) / (_PROXY_SHARE * step)
    return float(np.log2(1 + coefficients**2).sum() / 2)
