"""Keeps the magnitudes that contexts are made of: of each plane the last frames and two running means.

Every quantiser and coder goes over planes in the same way: frame by frame, in a frame plane by plane
(``turn``, ``open_frame``), in a plane bin by bin. How a bin's scale is looked up stands in each of their
inner loops: as a function of its own, with all its arrays, it costs a third of their speed.
"""

import numpy as np

from cookbooks.lamquant.lqc.compiled import inlined, jit
from cookbooks.lamquant.lqc.context import (
    ENVELOPE,
    MARGIN,
    MAX_MAGNITUDE,
    N_ROWS,
    NOW,
    ONE,
    SLOW,
    TWO,
    envelope_shift,
    past_bias,
)
from cookbooks.lamquant.lqc.levels import N_LEVELS


@jit
def new_rows(planes, width):
    """Returns rows of zeros, int32 [P, N_ROWS, K + 2 * MARGIN]."""
    return np.zeros((planes, N_ROWS, width + 2 * MARGIN), np.int32)


@jit
def new_scratch(net, base):
    """Returns what scales are found in: bias and quiet bins of a frame, a layer of the network, its second
    weights turned, and by level the scales of bins with nothing around them (-1: not known yet).
    """
    width, hidden = base.shape
    return (
        np.empty((width, hidden), np.int32),
        np.empty(width, np.bool_),
        np.empty(hidden, np.int32),
        np.ascontiguousarray(net.w2.T),
        np.full((N_LEVELS, width), -1, np.int32),
    )


@inlined
def open_frame(rows, p, levels, offsets, t, base, net, n, bias, quiet):
    """Fill ``bias`` and ``quiet`` for ``n`` bins of a plane in frame ``t``.

    Returns its level, and its rows now, one and two frames before, slow mean and envelope.
    """
    now, one, two, slow, envelope = rows[p, NOW], rows[p, ONE], rows[p, TWO], rows[p, SLOW], rows[p, ENVELOPE]
    level = min(max(np.int64(levels[p]) + np.int64(offsets[t]), 0), N_LEVELS - 1)
    past_bias(one, two, slow, envelope, base, net.level, level, net.w1, n, bias, quiet)
    return level, now, one, two, slow, envelope


@jit
def turn(rows, bins, offsets, t):
    """Make room for frame ``t``: update the means by the frame before, and state all in its steps."""
    if t == 0:
        return
    moved = np.int64(offsets[t]) - np.int64(offsets[t - 1])
    shift = envelope_shift(t)
    for p in range(len(rows)):
        if bins[p] == 0:
            continue
        now, slow, envelope = rows[p, NOW], rows[p, SLOW], rows[p, ENVELOPE]
        for j in range(MARGIN, MARGIN + bins[p]):
            slow[j] += ((np.int64(now[j]) << 2) - slow[j]) >> 3
            envelope[j] += ((np.int64(now[j]) << 4) - envelope[j]) >> shift
        rows[p, TWO] = rows[p, ONE]
        rows[p, ONE] = now
        rows[p, NOW] = 0
        if moved != 0:
            _rescale(rows[p, ONE], moved, MAX_MAGNITUDE << 4)
            _rescale(rows[p, TWO], moved, MAX_MAGNITUDE << 4)
            _rescale(slow, moved, MAX_MAGNITUDE << 6)
            _rescale(envelope, moved, MAX_MAGNITUDE << 8)


@jit
def _rescale(row, quarter_octaves, most):
    """Update magnitudes to 2**(quarter_octaves / 4) times what they were, in integers."""
    octaves, part = min(max(quarter_octaves >> 2, -40), 16), quarter_octaves & 3
    factor = (65536, 77936, 92682, 110218)[part]
    for j in range(len(row)):
        if row[j] > 0:
            value = np.int64(row[j]) * factor >> 8
            value = value << octaves if octaves >= 0 else value >> -octaves
            row[j] = min(value >> 8, most)
