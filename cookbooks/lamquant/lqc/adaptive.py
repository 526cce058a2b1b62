"""Encodes and decodes planes with the adaptive mixture.

Encoder and decoder are one function, so they cannot differ. Planes are coded frame by frame, in a frame
plane by plane, in a plane bin by bin; a plane sees those before it in the same frame.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import inlined, jit
from cookbooks.lamquant.lqc.context import (
    LOG,
    MARGIN,
    MAX_MAGNITUDE,
    fine_index,
)
from cookbooks.lamquant.lqc.levels import positions
from cookbooks.lamquant.lqc.mixing import EVEN, N_INPUTS, ONE_WEIGHT, code_mixed, code_single
from cookbooks.lamquant.lqc.points import N_KINDS, N_SHIFTED, NEXT, PLAIN, find_loud, point, shown
from cookbooks.lamquant.lqc.range_coder import put_bits, take_bits
from cookbooks.lamquant.lqc.rows import new_rows, new_scratch, open_frame, turn
from cookbooks.lamquant.lqc.tokens import ESCAPE, N_TABLES, SHIFTS, put_escape, table_of, take_escape

N_DEPTHS = 8
"""Decisions "more than 0, 1, ... ?" that have counters of their own; deeper ones share the last."""
_CELLS = N_KINDS * N_DEPTHS
CONTEXTS = (256, 1024, 800, 484, 1024, 256)
FIRST = np.cumsum((0, *CONTEXTS))[:-1].astype(np.int64) * _CELLS
N_COUNTERS = sum(CONTEXTS) * _CELLS
N_CHOICES = 16 * 4 * N_KINDS
N_LOW, N_SIGNS = 12, 6
"""Bins whose signs are modelled, and counters that a checkpoint holds for each: the last of them is used."""
LINEAR = np.array([2170, 140, 92, 54, 14, 75, 27, 23, 20, 331, 12], np.int64)
"""Weights of the scale's linear estimate, 1/1024: constant (in 1/16 steps), bins below (1, 2, 3-4, 5-8),
the frame before (the same bin, those next to it), two before, slow mean, envelope, mean of other planes."""


class Mixture(NamedTuple):
    """Holds the state that coding starts from, as it was after coding training planes.

    ``counters`` int32 [N_COUNTERS], ``weights`` int32 [N_CHOICES, N_INPUTS], ``signs`` int32
    [N_LOW * N_SIGNS]; ``centroids`` int32 [kinds, tables, magnitudes]: what to add to a value, 1/1024 steps.
    """

    counters: NDArray[np.int32]
    weights: NDArray[np.int32]
    signs: NDArray[np.int32]
    centroids: NDArray[np.int32]

    def copy(self) -> "Mixture":
        """Returns one that may learn; centroids are shared."""
        return self._replace(
            counters=self.counters.copy(), weights=self.weights.copy(), signs=self.signs.copy()
        )


def mixed_positions(hop: int, rate_hz: float) -> NDArray[np.int64]:
    """Returns the index of each bin in the 0.5 Hz table of the mixture, [hop]."""
    return np.minimum(positions(hop, rate_hz), 127)


def fresh_mixture() -> Mixture:
    """Returns a state that knows nothing."""
    return Mixture(
        np.full(N_COUNTERS, EVEN, np.int32),
        np.full((N_CHOICES, N_INPUTS), ONE_WEIGHT // 4, np.int32),
        np.full(N_LOW * N_SIGNS, EVEN, np.int32),
        np.zeros((N_KINDS, N_TABLES, N_SHIFTED), np.int32),
    )


@inlined
def _octaves(value, parts, most):
    """Returns log2(1 + value) in 1/parts, ``most`` - 1 at most; parts is 1, 2 or 4."""
    return min((LOG[min(value, 65535)] * parts + 8) >> 4, most - 1)


@inlined
def _fill_slots(slots, now, one, two, slow, envelope, j, wide, before, fine, kind, position, others, share):
    """Fill ``slots`` with where each input's counters of this coefficient begin.

    ``others`` [K + 16] sums the planes before in this frame, ``share`` is 65536 over their number, or 0.
    """
    beside, quiet = np.int64(envelope[j - 1]) + envelope[j + 1], slow[j] >> 2
    pair = np.int64(now[j - 3]) + now[j - 4]
    scale = LINEAR[0] + LINEAR[1] * now[j - 1] + LINEAR[2] * now[j - 2] + LINEAR[3] * pair
    scale += LINEAR[4] * (wide - now[j - 1] - now[j - 2] - pair)
    scale += LINEAR[5] * one[j] + LINEAR[6] * (np.int64(one[j - 1]) + one[j + 1]) + LINEAR[7] * two[j]
    scale += (LINEAR[8] * slow[j] >> 2) + (LINEAR[9] * envelope[j] >> 4)
    if share > 0:
        at = (others[j] * share) >> 16
        around = ((others[j - 1] + others[j + 1]) * share) >> 16
        scale += LINEAR[10] * at
        linear = min(max(LOG[min(scale >> 8, 65535)] - 16, 0), 255)
        mates = _octaves(at << 2, 2, 12) + 12 * _octaves(around << 2, 1, 5) + 60 * (linear >> 4)
    else:
        linear = min(max(LOG[min(scale >> 8, 65535)] - 16, 0), 255)
        mates = 960 + (linear >> 2)
    cell = kind * N_DEPTHS
    slots[0] = FIRST[0] + fine * _CELLS + cell
    slots[1] = FIRST[1] + (position * 8 + _octaves(quiet, 1, 8)) * _CELLS + cell
    slots[2] = (
        FIRST[2] + (_octaves(envelope[j] >> 4, 4, 40) * 20 + _octaves(beside >> 4, 2, 20)) * _CELLS + cell
    )
    slots[3] = FIRST[3] + (_octaves(wide, 2, 22) * 22 + _octaves(before, 2, 22)) * _CELLS + cell
    slots[4] = FIRST[4] + mates * _CELLS + cell
    slots[5] = FIRST[5] + linear * _CELLS + cell


@inlined
def _code_magnitude(
    value, decoding, state, data, counters, weights, slots, fine, table, kind, logits, limit, rate
):
    """Write or read a magnitude: a run of "more?" decisions on it without its low bits, then those."""
    shift = SHIFTS[table]
    token, choice = value >> shift, (fine >> 4) * 4 * N_KINDS + kind
    depth = 0
    while depth < ESCAPE:
        more = code_mixed(
            1 if token > depth else 0, decoding, state, data, counters, slots,
            min(depth, N_DEPTHS - 1), weights, choice + min(depth, 3) * N_KINDS, logits, limit, rate,
        )  # fmt: skip
        if more == 0:
            break
        depth += 1
    if decoding:
        if depth == ESCAPE:
            depth += take_escape(state, data) - 1
        if shift > 0:
            depth = depth << shift | take_bits(state, data, shift)
        return min(depth, MAX_MAGNITUDE)
    if depth == ESCAPE:
        put_escape(state, data, token - ESCAPE + 1)
    if shift > 0:
        put_bits(state, data, value & ((1 << shift) - 1), shift)
    return value


@inlined
def _code_sign(negative, decoding, state, data, signs, k, below, limit):
    """Write or read a sign; transients make those of neighbouring low bins depend on each other.

    ``below`` is the sign of the bin below, 0 where that is zero.
    """
    if k >= N_LOW or below == 0:
        if decoding:
            return take_bits(state, data, 1)
        put_bits(state, data, negative, 1)
        return negative
    # a context and its negative are one
    flip = 1 if below < 0 else 0
    return code_single(negative ^ flip, decoding, state, data, signs, (k + 1) * N_SIGNS - 1, limit) ^ flip


@jit
def code_planes(
    decoding, state, data, q, recon, cells, levels, offsets, bins, base, net, mixture, positions, limit, rate
):
    """Write the integers q int32 [P, F, K] to ``data``, or read them from there.

    Fills ``recon`` float32 [P, F, K], in steps, and where it is not empty ``cells`` int16 [P, F, K]: kind of
    quantiser times tables plus table. ``mixture`` learns by up to ``limit`` observations and ``rate``.
    """
    planes, frames, width = q.shape
    rows = new_rows(planes, width)
    bias, quiet, work, w2, still = new_scratch(net, base)
    w1, b2, w3, b3 = net.w1, net.b2, net.w3, net.b3
    loud, others = np.empty(width, np.bool_), np.empty(width + 2 * MARGIN, np.int64)
    slots, logits = np.empty(N_INPUTS, np.int64), np.empty(N_INPUTS, np.int64)
    counters, weights, signs, centroids = mixture.counters, mixture.weights, mixture.signs, mixture.centroids
    for t in range(frames):
        turn(rows, bins, offsets, t)
        others[:] = 0
        for p in range(planes):
            n = bins[p]
            if n == 0:
                continue
            level, now, one, two, slow, envelope = open_frame(
                rows, p, levels, offsets, t, base, net, n, bias, quiet
            )
            find_loud(envelope, n, loud)
            share = 65536 // p if p > 0 else 0
            path, wide, before, below = 0, 0, 0, 0
            for j in range(2 * MARGIN):
                before += one[j]
            for k in range(n):
                j = k + MARGIN
                before += one[j + 8]
                if quiet[k] and wide == 0:
                    if still[level, k] < 0:
                        still[level, k] = fine_index(now, j, 0, bias, k, w1, w2, b2, w3, b3, work)
                    fine = np.int64(still[level, k])
                else:
                    fine = fine_index(now, j, wide, bias, k, w1, w2, b2, w3, b3, work)
                table, kind = table_of(fine), path & 1 if loud[k] else PLAIN
                _fill_slots(
                    slots,
                    now,
                    one,
                    two,
                    slow,
                    envelope,
                    j,
                    wide,
                    before,
                    fine,
                    kind,
                    positions[k],
                    others,
                    share,
                )
                magnitude = _code_magnitude(
                    abs(np.int64(q[p, t, k])), decoding, state, data, counters, weights, slots, fine, table,
                    kind, logits, limit, rate,
                )  # fmt: skip
                sign = 0
                if magnitude > 0:
                    negative = _code_sign(
                        1 if q[p, t, k] < 0 else 0, decoding, state, data, signs, k, below, limit,
                    )  # fmt: skip
                    sign = 1 - 2 * negative
                    value = point(kind, magnitude)
                    now[j] = shown(value)
                    value += centroids[kind, table, min(magnitude, N_SHIFTED - 1)]
                    recon[p, t, k] = sign * value / 1024.0
                    q[p, t, k] = sign * magnitude
                below = sign
                if len(cells) > 0:
                    cells[p, t, k] = kind * N_TABLES + table
                if loud[k]:
                    path = NEXT[path, magnitude & 1]
                wide += now[j] - now[j - 8]
                before -= one[j - 8]
            for j in range(MARGIN, MARGIN + n):
                others[j] += now[j]
