"""Encodes frames in integers, as ``lq_plane.c`` and ``lq_rows.c`` do.

Contexts, tables and the range coder are those of the decoder (``lqc``); how values are chosen is its own.
"""

import numpy as np

from cookbooks.lamquant.device.numbers import length
from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.context import (
    ENVELOPE,
    MARGIN,
    MAX_MAGNITUDE,
    NOW,
    ONE,
    SLOW,
    envelope_shift,
    fine_index,
)
from cookbooks.lamquant.lqc.rows import new_scratch, open_frame, turn
from cookbooks.lamquant.lqc.tokens import ESCAPE, SHIFTS, put_token, table_of

_MOST = (MAX_MAGNITUDE - 1) << 8


@jit
def largest_row(rows, bins, wide, t):
    """Returns the largest number that rows of the planes hold before frame ``t``, above the bins of drift."""
    largest, shift = 0, envelope_shift(t)
    for p in range(len(rows)):
        for j in range(MARGIN + wide, MARGIN + bins):
            now = np.int64(rows[p, NOW, j])
            slow = rows[p, SLOW, j] + ((now * 4 - rows[p, SLOW, j]) >> 3)
            envelope = rows[p, ENVELOPE, j] + ((now * 16 - rows[p, ENVELOPE, j]) >> shift)
            largest = max(largest, now, np.int64(rows[p, ONE, j]), slow, envelope)
    return largest


@jit
def scaled(v, quarter_octaves):
    """Returns a magnitude in steps that are by so many quarter octaves finer, without a bound."""
    octaves, part = min(max(quarter_octaves >> 2, -40), 16), quarter_octaves & 3
    value = np.int64(v) * (65536, 77936, 92682, 110218)[part] >> 8
    return (value << octaves if octaves >= 0 else value >> -octaves) >> 8


@jit
def _price(price, c, m):
    shift = SHIFTS[c]
    token = m >> shift
    bits = np.int64(price[c, min(token, ESCAPE)]) + 256 * shift
    if m > 0:
        bits += 256
    if token >= ESCAPE:
        bits += 512 * (length(token - ESCAPE + 1) - 1) + 256
    return bits


@jit
def _chosen(m, c, price, lam):
    top = (m + 128) >> 8
    best, least = 0, m * m + lam * _price(price, c, 0)
    for v in range(max(top - 1, 1), top + 1):
        loss = (m - 256 * v) * (m - 256 * v) + lam * _price(price, c, v)
        if loss < least:
            best, least = v, loss
    return best


@jit
def code_frame(
    state, out, t, spectra, exponents, order, steps, levels, offsets, rows, bins, base, net, starts, price,
    lam, shares,
):  # fmt: skip
    """Write frame ``t`` of planes: spectra int64 [C, hop] in units of 2**-exponents, in coding order.

    ``rows`` are those of the planes in that order; the others are as in ``lqc.static``. Returns for how many
    coefficients the network was asked.
    """
    bias, quiet, work, w2, still = new_scratch(net, base)
    asked, every = 0, np.full(len(order), bins)
    turn(rows, every, offsets, t)
    for p in range(len(order)):
        one, step = order[p], steps[order[p]] - 16 * np.int64(offsets[t])
        level, now, _, _, _, _ = open_frame(rows, p, levels, offsets, t, base, net, bins, bias, quiet)
        shift, share, wide = 22 + exponents[one] + (step >> 6), np.int64(shares[step & 63]), 0
        for k in range(bins):
            j = k + MARGIN
            if quiet[k] and wide == 0:
                if still[level, k] < 0:
                    still[level, k] = fine_index(now, j, 0, bias, k, net.w1, w2, net.b2, net.w3, net.b3, work)
                    asked += 1
                fine = np.int64(still[level, k])
            else:
                fine = fine_index(now, j, wide, bias, k, net.w1, w2, net.b2, net.w3, net.b3, work)
                asked += 1
            c = table_of(fine)
            value = spectra[one, k]
            m = min(abs(value) * share >> shift, _MOST) if shift <= 62 else 0
            best = _chosen(m, c, price, lam)
            now[j] = best << 4
            put_token(state, out, starts, c, -best if value < 0 else best)
            wide += now[j] - now[j - 8]
    return asked
