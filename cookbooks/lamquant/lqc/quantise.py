"""Chooses the integers of the full profile: plain and rate-distortion optimised, or by a trellis.

A frame of a plane is chosen at once. A first pass fixes the contexts as if each coefficient were chosen
alone; the Viterbi algorithm then finds the path of least ``error**2 + lam * bits`` through the dependent
quantisers, with code lengths from tables counted in training.
"""

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.context import MARGIN, MAX_MAGNITUDE, fine_index
from cookbooks.lamquant.lqc.points import HALF, N_SHIFTED, N_STATES, NEXT, PLAIN, find_loud, point, shown
from cookbooks.lamquant.lqc.rows import new_rows, new_scratch, open_frame, turn
from cookbooks.lamquant.lqc.tokens import ESCAPE, SHIFTS, table_of, token_bits

_WEIGHT, _REVISIONS = 200.0, 10
"""Tokens that the trained prices count for, and how often a chunk's own tokens revise them."""


@jit
def choose_full(y, levels, offsets, bins, base, net, cost, lam, counts, centroids, recon):
    """Returns integers int32 [P, F, K] of planes y (in steps).

    ``cost`` [kinds, tables, tokens] bits; ``counts`` of that shape gets one more for each token chosen.
    ``recon`` float32 [P, F, K], unless it is empty, is filled with what decoding will give, in steps, but for
    the few contexts that the trellis changes.
    """
    planes, frames, width = y.shape
    q = np.zeros((planes, frames, width), np.int32)
    rows = new_rows(planes, width)
    bias, quiet, work, w2, still = new_scratch(net, base)
    w1, b2, w3, b3 = net.w1, net.b2, net.w3, net.b3
    loud, tables = np.empty(width, np.bool_), np.empty(width, np.int64)
    best, kinds = np.empty(width, np.int64), np.empty(width, np.int64)
    size = np.empty(width, np.float64)
    came, values = np.empty((width, N_STATES), np.int8), np.empty((width, 4), np.int64)
    known, cost = _WEIGHT * 2.0**-cost, cost.copy()
    for t in range(frames):
        if t > 0 and t % max(1, frames // _REVISIONS) == 0:
            _revise(cost, counts, known)
        turn(rows, bins, offsets, t)
        for p in range(planes):
            n = bins[p]
            if n == 0:
                continue
            level, now, _, _, _, envelope = open_frame(rows, p, levels, offsets, t, base, net, n, bias, quiet)
            find_loud(envelope, n, loud)
            wide, some = 0, False
            for k in range(n):
                j = k + MARGIN
                if quiet[k] and wide == 0:
                    if still[level, k] < 0:
                        still[level, k] = fine_index(now, j, 0, bias, k, w1, w2, b2, w3, b3, work)
                    fine = np.int64(still[level, k])
                else:
                    fine = fine_index(now, j, wide, bias, k, w1, w2, b2, w3, b3, work)
                tables[k] = table_of(fine)
                a = min(abs(float(y[p, t, k])), float(MAX_MAGNITUDE - 1))
                kind = 0 if loud[k] else PLAIN
                some = some or loud[k]
                best[k] = _alone(a, kind, tables[k], cost, lam)
                now[j] = shown(point(kind, best[k]))
                wide += now[j] - now[j - 8]
                size[k], kinds[k] = a, kind
            if some:
                _search(size, n, loud, tables, cost, lam, came, values, best, kinds)
            for k in range(n):
                now[k + MARGIN] = shown(point(kinds[k], best[k]))
                q[p, t, k] = best[k] if y[p, t, k] > 0 else -best[k]
                token = min(best[k] >> SHIFTS[tables[k]], ESCAPE)
                counts[kinds[k], tables[k], token] += 1
                if len(recon) > 0 and best[k] > 0:
                    shift = centroids[kinds[k], tables[k], min(best[k], N_SHIFTED - 1)]
                    value = (point(kinds[k], best[k]) + shift) / 1024.0
                    recon[p, t, k] = value if y[p, t, k] > 0 else -value
    return q


@jit
def _revise(cost, counts, known):
    """Replace prices by what the tokens chosen so far say, beside what was ``known`` of them."""
    for kind in range(cost.shape[0]):
        for c in range(cost.shape[1]):
            total = counts[kind, c].sum()
            if total > 0:
                bits = np.log2(total + _WEIGHT)
                for i in range(cost.shape[2]):
                    cost[kind, c, i] = bits - np.log2(counts[kind, c, i] + known[kind, c, i])


@jit
def _alone(a, kind, table, cost, lam):
    """Returns the best magnitude for ``a`` where nothing depends on it."""
    if a < 0.4:
        return 0
    spacing = point(kind, 1) / 1024.0
    top = int(a / spacing + 0.5)
    best, least = 0, a * a + lam * token_bits(cost, kind, table, 0)
    for v in range(max(top - 1, 1), top + 1):
        error = a - v * spacing
        loss = error * error + lam * token_bits(cost, kind, table, v)
        if loss < least:
            best, least = v, loss
    return best


@jit
def _loss(a, kind, table, cost, lam, v):
    error = a - point(kind, v) / 1024.0
    return error * error + lam * token_bits(cost, kind, table, v)


@jit
def _search(size, bins, loud, tables, cost, lam, came, values, best, kinds):
    """Replace the choices in loud bins by the best path; ``kinds`` says which quantiser each one is of."""
    score, after = np.full(N_STATES, 1e300), np.empty(N_STATES)
    score[0] = 0.0
    loss = np.empty(4)
    for k in range(bins):
        if not loud[k]:
            continue
        a, table = size[k], tables[k]
        for kind in range(2):
            near = int(a * 512.0 / HALF + 0.5 * (1 + kind))
            even, odd = (near, max(near - 1, 1)) if near & 1 == 0 else (near - 1, near)
            loss[2 * kind] = _loss(a, kind, table, cost, lam, 0)
            values[k, 2 * kind], values[k, 2 * kind + 1] = 0, odd
            if even > 0:
                other = _loss(a, kind, table, cost, lam, even)
                if other < loss[2 * kind]:
                    loss[2 * kind], values[k, 2 * kind] = other, even
            loss[2 * kind + 1] = _loss(a, kind, table, cost, lam, odd)
        after[:] = 1e300
        for state in range(N_STATES):
            for parity in range(2):
                to = NEXT[state, parity]
                total = score[state] + loss[2 * (state & 1) + parity]
                if total < after[to]:
                    after[to], came[k, to] = total, state
        score[:] = after
    state = 0
    for s in range(N_STATES):
        if score[s] < score[state]:
            state = s
    for k in range(bins - 1, -1, -1):
        if loud[k]:
            before = np.int64(came[k, state])
            parity = 0 if NEXT[before, 0] == state else 1
            best[k], kinds[k] = values[k, 2 * (before & 1) + parity], before & 1
            state = before
