"""Chooses steps, levels and offsets in integers, as ``lq_steps.c`` does.

Magnitudes are counted in quarter octaves, ``UNIT`` of them below one unit. What a quantiser does to one of
them is that of ``lqc.curves``.
"""

import numpy as np

from cookbooks.lamquant.device.numbers import length, lg
from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.levels import N_LEVELS

UNIT, NEAR, FAR = 12, 8, 128
FINEST, COARSEST = -256, 2048
_DEAD, _IN_STEP = -38, 5898
MOST_NARROW, MOST_WIDE = 29, 77
"""Quarter octaves of steps that a magnitude may have: of 16 bits, and of the bins of drift."""
MIN_OFFSET = -112
_QUARTERS = np.array([0x9837F052, 0xB504F334, 0xD744FCCB], np.int64)
"""2**31 times 1, 2 and 3 quarter octaves; the bounds of the bins of counts."""


def n_counts(bits: int, hop: int) -> int:
    """Returns how many bins of counts a channel has."""
    return UNIT + 4 * (bits + hop.bit_length() // 2 + 2)


@jit
def variance(x):
    """Returns the variance of a block x int64 [hop] about a straight line, in sixteenths."""
    hop = len(x)
    octaves = length(hop) - 1
    total, moment = 0, 0
    for i in range(hop):
        total += x[i]
        moment += x[i] * (2 * i + 1 - hop)
    square = 0
    for i in range(hop):
        r = x[i] - (total >> octaves) - (3 * moment * (2 * i + 1 - hop) >> (3 * octaves))
        square += r * r
    return square >> (octaves - 4)


@jit
def _middle(i):
    return 16 * (i - UNIT) + 8


@jit
def _bin_of(size, exponent, n_bins):
    n = length(size)
    if n == 0:
        return 0
    top = size << (32 - n)
    at = 4 * (n - 1) - 4 * exponent + UNIT
    for bound in _QUARTERS:
        if top >= bound:
            at += 1
    return min(max(at, 0), n_bins - 1)


@jit
def count(spectrum, exponent, step, bins, wide, seen, ahead, peak):
    """Count the magnitudes of a channel's frame: ``seen`` [n_counts] for its steps, ``ahead`` [FAR] and
    ``peak`` [2] for the frame's offset.
    """
    for k in range(bins):
        at = _bin_of(abs(spectrum[k]), exponent, len(seen))
        size = (_middle(at) - step) >> 4
        seen[at] += 1
        ahead[min(max(size + NEAR, 0), FAR - 1)] += 1
        part = 0 if k < wide else 1
        peak[part] = max(peak[part], size)


@jit
def _power_of_two(v, powers):
    down = -(v >> 5)
    return 0 if down > 31 else np.int64(powers[v & 31]) >> down


@jit
def _error_at(seen, step, total, lg_table, powers):
    amount = 0
    for i in range(len(seen)):
        d = _middle(i) - step
        amount += seen[i] * (_power_of_two(d, powers) if d < _DEAD else _IN_STEP)
    return lg(amount, lg_table) - lg(total, lg_table) - 16 * 256 if amount else -(1 << 20)


@jit
def _top_of(seen):
    top = len(seen) - 1
    while top > 0 and seen[top] == 0:
        top -= 1
    return top


@jit
def fitting(seen, power, blocks, bins, ratio, low_level, high_level, lg_table, powers):
    """Returns the largest step index at which a channel's error is what is allowed at most."""
    loud = max(0, lg(power, lg_table) - lg(blocks, lg_table) - 4 * 256) if power else 0
    allowed = 2 * ratio + loud
    # one octave above the largest magnitude, all is zero already
    low, high = FINEST, min(COARSEST, _middle(_top_of(seen)) + 64)
    while high - low > 1:
        half = (low + high) >> 1
        if _error_at(seen, half, blocks * bins, lg_table, powers) + 8 * half <= allowed:
            low = half
        else:
            high = half
    low = min(max(low, (loud >> 3) - 16 * (high_level - 16)), (loud >> 3) - 16 * (low_level - 16))
    return min(max(low, FINEST), COARSEST)


@jit
def level_at(seen, blocks, bins, step, lg_table, powers):
    """Returns the level of a channel at its step, by all that was counted of it."""
    top, total = _top_of(seen), 0
    for i in range(top + 1):
        total += seen[i] * _power_of_two(16 * (i - top), powers)
    at = lg(total, lg_table) - 16 * 256 + 8 * _middle(top) - lg(blocks * bins, lg_table)
    return min(max(16 + ((at - 8 * step + 64) >> 7), 0), N_LEVELS - 1)


@jit
def bits_at(ahead, offset):
    """Returns about how many sixteenths of a bit a frame takes at an offset, rather too many."""
    total = 0
    for i in range(len(ahead)):
        size = i - NEAR + offset
        price = 3 if size < -6 else 8 if size < -3 else 64 + 5 * (size + 3)
        total += ahead[i] * price
    return total
