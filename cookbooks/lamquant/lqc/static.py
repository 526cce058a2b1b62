"""Chooses, writes and reads the integers of planes with the static tables.

Planes y [P, F, K] are coded frame by frame, in a frame plane by plane, in a plane bin by bin. Every plane is
its own context: no plane looks at another.
"""

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.context import MARGIN, MAX_MAGNITUDE, fine_index
from cookbooks.lamquant.lqc.range_coder import start_decoder
from cookbooks.lamquant.lqc.rows import new_rows, new_scratch, open_frame, turn
from cookbooks.lamquant.lqc.tokens import put_token, table_of, take_token, token_bits


@jit
def quantise_static(y, levels, offsets, bins, base, net, cost, lam):
    """Choose integers in coding order, rate-distortion optimised, each in the context of those before.

    Of {round, round - 1, 0} the one with the least ``error**2 + lam * bits`` is taken.
    Returns q int32 [P, F, K], table indices uint8 [P, F, K] and the code length in bits.
    """
    planes, frames, width = y.shape
    q = np.zeros((planes, frames, width), np.int32)
    tables = np.zeros((planes, frames, width), np.uint8)
    rows = new_rows(planes, width)
    bias, quiet, work, w2, still = new_scratch(net, base)
    w1, b2, w3, b3 = net.w1, net.b2, net.w3, net.b3
    total = 0.0
    for t in range(frames):
        turn(rows, bins, offsets, t)
        for p in range(planes):
            if bins[p] == 0:
                continue
            level, now, _, _, _, _ = open_frame(rows, p, levels, offsets, t, base, net, bins[p], bias, quiet)
            wide = 0
            for k in range(bins[p]):
                j = k + MARGIN
                if quiet[k] and wide == 0:
                    if still[level, k] < 0:
                        still[level, k] = fine_index(now, j, 0, bias, k, w1, w2, b2, w3, b3, work)
                    fine = np.int64(still[level, k])
                else:
                    fine = fine_index(now, j, wide, bias, k, w1, w2, b2, w3, b3, work)
                c = table_of(fine)
                a = min(abs(float(y[p, t, k])), float(MAX_MAGNITUDE - 1))
                top = int(a + 0.5)
                best, best_bits = 0, token_bits(cost, 0, c, 0)
                least = a * a + lam * best_bits
                for v in range(max(top - 1, 1), top + 1):
                    bits = token_bits(cost, 0, c, v)
                    error = a - v
                    loss = error * error + lam * bits
                    if loss < least:
                        best, best_bits, least = v, bits, loss
                now[j] = best << 4
                q[p, t, k] = best if y[p, t, k] > 0 else -best
                tables[p, t, k] = c
                total += best_bits
                wide += now[j] - now[j - 8]
    return q, tables, total


@jit
def write_static(state, out, q, tables, bins, starts):
    """Write the integers of all planes."""
    planes, frames, _ = q.shape
    for t in range(frames):
        for p in range(planes):
            for k in range(bins[p]):
                put_token(state, out, starts, np.int64(tables[p, t, k]), np.int64(q[p, t, k]))


@jit
def read_static(data, at, frames, width, levels, offsets, bins, base, net, starts):
    """Returns the integers int32 [P, F, K] that stand in ``data`` from byte ``at`` on."""
    planes = len(levels)
    q = np.zeros((planes, frames, width), np.int32)
    rows = new_rows(planes, width)
    bias, quiet, work, w2, still = new_scratch(net, base)
    w1, b2, w3, b3 = net.w1, net.b2, net.w3, net.b3
    state = start_decoder(data, at)
    for t in range(frames):
        turn(rows, bins, offsets, t)
        for p in range(planes):
            if bins[p] == 0:
                continue
            level, now, _, _, _, _ = open_frame(rows, p, levels, offsets, t, base, net, bins[p], bias, quiet)
            wide = 0
            for k in range(bins[p]):
                j = k + MARGIN
                if quiet[k] and wide == 0:
                    if still[level, k] < 0:
                        still[level, k] = fine_index(now, j, 0, bias, k, w1, w2, b2, w3, b3, work)
                    fine = np.int64(still[level, k])
                else:
                    fine = fine_index(now, j, wide, bias, k, w1, w2, b2, w3, b3, work)
                value = take_token(state, data, starts, table_of(fine))
                now[j] = abs(value) << 4
                q[p, t, k] = value
                wide += now[j] - now[j - 8]
    return q
