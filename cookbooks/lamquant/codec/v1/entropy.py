"""Evaluates the probability model identically in encoder and decoder: integers only.

A small network maps already coded neighbours to one of ``N_SCALES`` probability tables. Its trained float
weights are rounded to fixed point (``FirstIntegerNet``); every operation after that is on int32, so the table
index does not depend on threads, batch shape or processor. The tables are integer frequencies.

Magnitudes are coded as a token (16 symbols, the last one escapes) of ``|q| >> shift`` followed by ``shift``
raw bits; the sign is one raw bit. Large scales have a shift, so drift of any size is coded cheaply.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

N_SCALES = 64
SCALES_PER_OCTAVE = 4
LOG_FLOOR = 5
"""Table 0 has scale 2**-LOG_FLOOR steps."""
N_TOKENS = 16
ESCAPE = N_TOKENS - 1
N_FEATURES = 13
FREQUENCY_BITS = 16
_LOG_TABLE = np.round(16 * np.log2(1 + np.arange(65536, dtype=np.float64))).astype(np.int32)


def scale_of(index: NDArray[np.int64]) -> NDArray[np.float64]:
    """Returns the Laplace scale, in steps, that table ``index`` stands for."""
    return 2.0 ** (index / SCALES_PER_OCTAVE - LOG_FLOOR)


def token_shifts() -> NDArray[np.int32]:
    """Returns raw low bits per table: none below a scale of 4 steps, then one per octave."""
    octave = np.arange(N_SCALES) // SCALES_PER_OCTAVE - LOG_FLOOR
    return np.maximum(0, octave - 1).astype(np.int32)


SHIFTS = token_shifts()


@dataclass(frozen=True)
class FirstIntegerNet:
    """Estimates scales in fixed point. ``base`` is the first layer's bias per (level, position)."""

    w1: NDArray[np.int32]
    position: NDArray[np.int32]
    level: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]

    def base(self, positions: NDArray[np.int64], level: int) -> NDArray[np.int32]:
        """Returns the first-layer bias of each coefficient, int32 [K, hidden]."""
        return np.ascontiguousarray(self.position[positions] + self.level[level])


@numba.njit(cache=True, nogil=True)
def scale_index(m, slow, row, k, lut, w1, base, w2, b2, w3, b3):
    """Returns the table index of coefficient k. m int32 [F + 2, K + 16] holds magnitudes, row = frame + 2."""
    j = k + 8
    now, one, two = m[row], m[row - 1], m[row - 2]
    near = now[j - 1] + now[j - 2] + now[j - 3] + now[j - 4]
    wide = near + now[j - 5] + now[j - 6] + now[j - 7] + now[j - 8]
    before, slow_wide = 0, 0
    for i in range(-8, 9):
        before += one[j + i]
    for i in range(1, 9):
        slow_wide += slow[j - i]
    x = np.empty(13, np.int32)
    x[0] = lut[min(now[j - 1] << 4, 65535)]
    x[1] = lut[min(now[j - 2] << 4, 65535)]
    x[2] = lut[min((now[j - 3] + now[j - 4]) << 4, 65535)]
    x[3] = lut[min(wide << 4, 65535)]
    x[4] = lut[min(one[j] << 4, 65535)]
    x[5] = lut[min((one[j - 1] + one[j + 1]) << 4, 65535)]
    x[6] = lut[min((one[j - 2] + one[j + 2]) << 4, 65535)]
    x[7] = lut[min(before << 4, 65535)]
    x[8] = lut[min(two[j] << 4, 65535)]
    x[9] = lut[min((two[j - 1] + two[j + 1]) << 4, 65535)]
    x[10] = lut[min(slow[j] >> 2, 65535)]
    x[11] = lut[min((slow[j - 1] + slow[j + 1]) >> 2, 65535)]
    x[12] = lut[min(slow_wide >> 2, 65535)]
    hidden = w1.shape[0]
    h = np.empty(hidden, np.int32)
    for o in range(hidden):
        s = base[k, o]
        for i in range(13):
            s += w1[o, i] * x[i]
        h[o] = min(max(s >> 10, 0), 4095)
    out = b3[0]
    for o in range(hidden):
        s = b2[o]
        for i in range(hidden):
            s += w2[o, i] * h[i]
        out += w3[o] * min(max(s >> 10, 0), 4095)
    return min(max((((out >> 10) + 2) >> 2) + 20, 0), 63)


@numba.njit(cache=True, nogil=True)
def update_slow(slow, magnitudes, width):
    """Update the running mean of magnitudes (1/64 units, decay 1/8) after a frame is complete."""
    for j in range(8, 8 + width):
        slow[j] += ((magnitudes[j] << 6) - slow[j]) >> 3


@numba.njit(cache=True, nogil=True)
def _bits(cost, shift, c, m):
    s = shift[c]
    token = m >> s
    bits = cost[c, min(token, 15)] + s
    if m > 0:
        bits += 1.0
    if token >= 15:
        rest = token - 14
        while rest > 1:
            bits += 2.0
            rest >>= 1
        bits += 1.0
    return bits


@numba.njit(cache=True, nogil=True)
def quantise(y, cost, shift, lam, lut, w1, base, w2, b2, w3, b3):
    """Quantise in coding order, rate-distortion optimised.

    y float32 [F, K] in steps. For each coefficient the integer among {round, round - 1, 0} with the least
    ``error**2 + lam * bits`` is taken, given the context made by the choices before it.
    Returns q int32 [F, K], table indices uint8 [F, K], and the code length in bits.
    """
    frames, width = y.shape
    m = np.zeros((frames + 2, width + 16), np.int32)
    slow = np.zeros(width + 16, np.int32)
    q = np.zeros((frames, width), np.int32)
    tables = np.zeros((frames, width), np.uint8)
    total = 0.0
    for t in range(frames):
        for k in range(width):
            c = scale_index(m, slow, t + 2, k, lut, w1, base, w2, b2, w3, b3)
            a = min(abs(float(y[t, k])), 1.0e6)
            top = int(a + 0.5)
            best, best_bits = 0, _bits(cost, shift, c, 0)
            least = a * a + lam * best_bits
            for v in range(max(top - 1, 1), top + 1):
                bits = _bits(cost, shift, c, v)
                error = a - v
                loss = error * error + lam * bits
                if loss < least:
                    best, best_bits, least = v, bits, loss
            m[t + 2, k + 8] = best
            q[t, k] = best if y[t, k] > 0 else -best
            tables[t, k] = c
            total += best_bits
        update_slow(slow, m[t + 2], width)
    return q, tables, total


def prior_frequencies() -> NDArray[np.float64]:
    """Returns token probabilities of a discretised Laplace distribution for every table,
    [N_SCALES, N_TOKENS].
    """
    edges = np.arange(N_TOKENS + 1)[None] * 2.0 ** SHIFTS[:, None] - 0.5
    edges[:, 0] = 0
    tail = np.exp(-edges / scale_of(np.arange(N_SCALES))[:, None])
    probability = tail[:, :-1] - tail[:, 1:]
    probability[:, -1] = tail[:, -2]
    return probability / probability.sum(1, keepdims=True)


def frequencies_from(counts: NDArray[np.float64], weight: float = 24.0) -> NDArray[np.int32]:
    """Returns integer token frequencies, each row summing to ``2**FREQUENCY_BITS`` with no zero."""
    blended = counts + weight * prior_frequencies()
    total = 2**FREQUENCY_BITS
    share = blended / blended.sum(1, keepdims=True)
    table = np.floor(share * (total - N_TOKENS)).astype(np.int64) + 1
    table[np.arange(len(table)), table.argmax(1)] += total - table.sum(1)
    return table.astype(np.int32)


def cost_table(frequencies: NDArray[np.int32]) -> NDArray[np.float64]:
    """Returns bits per token, [N_SCALES, N_TOKENS]."""
    return FREQUENCY_BITS - np.log2(frequencies.astype(np.float64))


@dataclass(frozen=True)
class FirstEntropyModel:
    """Holds the context network and the token tables."""

    net: FirstIntegerNet
    frequencies: NDArray[np.int32]

    def quantise(
        self, y: NDArray[np.float32], base: NDArray[np.int32], lam: float
    ) -> tuple[NDArray[np.int32], NDArray[np.uint8], float]:
        """Returns integers, table indices and code length in bits of the coefficients y [F, K] (in steps)."""
        n = self.net
        cost = cost_table(self.frequencies)
        y = np.ascontiguousarray(y)
        return quantise(y, cost, SHIFTS, lam, _LOG_TABLE, n.w1, base, n.w2, n.b2, n.w3, n.b3)

    def context(self, m, slow, row: int, k: int, base: NDArray[np.int32]) -> int:
        """Returns the table index of one coefficient while decoding."""
        n = self.net
        return scale_index(m, slow, row, k, _LOG_TABLE, n.w1, base, n.w2, n.b2, n.w3, n.b3)
