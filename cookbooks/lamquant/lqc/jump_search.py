"""Finds the jumps of a signal that are worth their bytes."""

import numba
import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.jumps import MAX_GRID, MAX_VALUE, NONE, Jumps, render
from cookbooks.lamquant.lqc.lapped import analyse, mirrored, n_frames
from cookbooks.lamquant.lqc.rms import fast_rms

THRESHOLDS = (1.5, 2.5, 5.0)
"""Least jumps that are tried, in RMS of the signal without drift."""
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
    shared = len(x) > 1  # joined trials jump in all channels at once, and the place is coded once
    return [_best(one, float(step), rate_hz, hop, shared) for one, step in zip(x, steps, strict=True)]


def _best(x: NDArray[np.float64], step: float, rate_hz: float, hop: int, shared: bool) -> Jumps:
    if len(x) < 4 * _REACH or not np.ptp(x):
        return NONE
    left, right = _sides(np.ascontiguousarray(x))
    rms = fast_rms(x, rate_hz)
    size = np.abs(right - left)
    if size.max() < THRESHOLDS[0] * rms:
        return NONE
    grid = min(max(round(np.log2(_GRID_STEPS * step)), 0), MAX_GRID)
    without, best, most = _bits(x, step, hop), NONE, 0.0
    for threshold in THRESHOLDS:
        at = _peaks(size, threshold * rms)
        if not len(at) or len(at) > len(x) // (8 * _REACH):
            continue
        before, after = (np.rint(side[at] / 2.0**grid).astype(np.int64) for side in (left, right))
        if max(np.abs(before).max(), np.abs(after).max()) > MAX_VALUE:
            continue
        jumps = Jumps(at, grid, before, after)
        saved = _PROXY_GAIN * (without - _bits(x - render(jumps, len(x)), step, hop))
        values = np.log2(2 * (np.abs(before) + 1.0)) + np.log2(2 * (np.abs(after) + 1.0)) + 2
        gain = saved - values.sum() - len(at) * _BITS_POSITION / (4 if shared else 1)
        if gain > most:
            best, most = jumps, gain
    return best


@numba.njit(cache=True, nogil=True)
def _sides(x):
    """Returns lines through the samples before and after each place, read at the place itself, both [T]."""
    n, reach = len(x), _REACH
    weights = np.empty(reach)
    middle, spread = reach / 2, 0.0
    for i in range(reach):
        spread += (i + 0.5 - middle) ** 2
    for i in range(reach):
        weights[i] = 1 / reach - middle * (i + 0.5 - middle) / spread
    left, right = np.zeros(n), np.zeros(n)
    for t in range(reach, n - reach + 1):
        for i in range(reach):
            left[t] += weights[i] * x[t - 1 - i]
            right[t] += weights[i] * x[t + i]
    return left, right


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
