"""Estimates the scale of the next coefficient from coded neighbours: a small network in integers.

Context magnitudes are in sixteenths of a step, the slow mean in sixty-fourths, the envelope (a slower mean,
quick at first) in 256ths. Features are logarithms
(``ilog``), and the result is an index of the Laplace scale in sixteenths of an octave, ``FINE_PER_OCTAVE``.
Every operation is on integers, so the index depends on neither threads, batch shape nor processor.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.levels import N_DURATIONS, duration_of, positions

N_FEATURES = 15
"""Features 0 to 3 come from bins below in the frame itself, the others from frames before."""
LOG_FLOOR = 5
"""Index 0 stands for a scale of 2**-LOG_FLOOR steps."""
FINE_PER_OCTAVE = 16
N_FINE = 256
MARGIN = 8
"""Zeros on each side of a row of magnitudes."""
MAX_MAGNITUDE = 1 << 20
N_ROWS = 5
NOW, ONE, TWO, SLOW, ENVELOPE = range(N_ROWS)
"""Rows of a plane: the frame that is coded, the two before it, and two means over all before."""
_FRACTION = 10
_WEIGHT_MAX = 8191
_LOG_32 = np.round(16 * np.log2(1 + np.arange(32) / 32)).astype(np.int64)


def ilog(value: NDArray[np.int64]) -> NDArray[np.int16]:
    """Returns about 16 * log2(1 + value) for integers 0..65535, from the leading bits of 1 + value alone."""
    n = np.asarray(value, np.int64) + 1
    exponent = np.frexp(n.astype(np.float64))[1].astype(np.int64) - 1
    return (16 * exponent + _LOG_32[((n << 5) >> exponent) & 31]).astype(np.int16)


LOG = ilog(np.arange(65536))


class IntegerNet(NamedTuple):
    """Holds the network in fixed point: weights in 1/1024, activations in 1/16.

    ``w1`` [features, hidden] and ``w2`` [hidden in, hidden out] int32; ``position``, ``level`` and
    ``duration`` [index, hidden] add up to the first layer's bias; ``w3`` [hidden], ``b3`` [1].
    """

    w1: NDArray[np.int32]
    position: NDArray[np.int32]
    level: NDArray[np.int32]
    duration: NDArray[np.int32]
    w2: NDArray[np.int32]
    b2: NDArray[np.int32]
    w3: NDArray[np.int32]
    b3: NDArray[np.int32]

    def base(self, hop: int, rate_hz: float) -> NDArray[np.int32]:
        """Returns the part of the first layer's bias that no plane changes, int32 [hop, hidden]."""
        at = self.position[positions(hop, rate_hz)] + self.duration[duration_of(hop, rate_hz)]
        return np.ascontiguousarray(at.astype(np.int32))


def to_integer(weights: dict[str, NDArray[np.float32]]) -> IntegerNet:
    """Round trained float weights to fixed point.

    Names and shapes are those of a state dict: ``features.weight`` [hidden, 15], ``position``, ``level`` and
    ``duration`` [index, hidden] (the last may be absent), ``middle.weight`` [hidden, hidden],
    ``middle.bias``, ``out.weight`` [1, hidden], ``out.bias``.
    """

    def weight(name: str) -> NDArray[np.int32]:
        scaled = np.round(weights[name].astype(np.float64) * 2**_FRACTION)
        return np.ascontiguousarray(np.clip(scaled, -_WEIGHT_MAX, _WEIGHT_MAX).astype(np.int32).T)

    def bias(name: str) -> NDArray[np.int32]:
        # activations are in sixteenths, so a bias carries four more fractional bits than a weight
        scaled = np.round(weights[name].astype(np.float64) * 2 ** (_FRACTION + 4))
        return np.ascontiguousarray(np.clip(scaled, -(2**27), 2**27).astype(np.int32))

    hidden = weights["middle.bias"].shape[0]
    none = np.zeros((N_DURATIONS, hidden), np.int32)
    return IntegerNet(
        weight("features.weight"), bias("position"), bias("level"),
        bias("duration") if "duration" in weights else none,
        weight("middle.weight"), bias("middle.bias"), weight("out.weight").reshape(-1), bias("out.bias"),
    )  # fmt: skip


@jit
def envelope_shift(t):
    """Returns by how many bits the envelope's step is smaller than the news, once ``t`` frames are known."""
    for shift, frames in enumerate((2, 3, 6, 12, 24)):
        if t < frames:
            return shift
    return 5


@jit
def _log(value):
    return np.int32(LOG[min(value, 65535)])


# Kernels below index whole arrays: a view made for each coefficient costs more than what is done with it.


@jit
def past_bias(one, two, slow, envelope, base, levels, level, w1, bins, bias, quiet):
    """Fill ``bias`` int32 [K, hidden] with all of the first layer that the frames before already decide.

    ``one``, ``two``, ``slow`` and ``envelope`` are rows [K + 16] of a plane; ``levels`` the network's table
    of them. ``quiet`` says of each bin that the rows are zero around it; its bias is then without features.
    """
    hidden = base.shape[1]
    before, lower = 0, 0
    for j in range(2 * MARGIN):
        before += one[j]
    for k in range(bins):
        j = k + MARGIN
        before += one[j + 8]
        x8, x9 = two[j], two[j - 1] + two[j + 1]
        x10, x11 = slow[j], slow[j - 1] + slow[j + 1]
        x13, x14 = envelope[j] >> 4, (envelope[j - 1] + envelope[j + 1]) >> 4
        quiet[k] = before + x8 + x9 + ((x10 + x11 + lower) >> 2) + x13 + x14 == 0
        if quiet[k]:
            for o in range(hidden):
                bias[k, o] = base[k, o] + levels[level, o]
        else:
            y4, y5 = _log(one[j]), _log(one[j - 1] + one[j + 1])
            y6, y7, y8, y9 = _log(one[j - 2] + one[j + 2]), _log(before), _log(x8), _log(x9)
            y10, y11, y12 = _log(x10 >> 2), _log(x11 >> 2), _log(lower >> 2)
            y13, y14 = _log(x13), _log(x14)
            for o in range(hidden):
                total = np.int32(base[k, o] + levels[level, o] + w1[4, o] * y4 + w1[5, o] * y5)
                total = np.int32(total + w1[6, o] * y6 + w1[7, o] * y7 + w1[8, o] * y8 + w1[9, o] * y9)
                total = np.int32(total + w1[10, o] * y10 + w1[11, o] * y11 + w1[12, o] * y12)
                bias[k, o] = np.int32(total + w1[13, o] * y13 + w1[14, o] * y14)
        before -= one[j - 8]
        lower += slow[j] - slow[j - 8]


@jit
def fine_index(now, j, wide, bias, k, w1, w2, b2, w3, b3, work):
    """Returns the scale index, 0..N_FINE-1, of the coefficient at ``now[j]``, whose bin is ``k``.

    ``wide`` is the sum of the eight magnitudes below it, ``bias`` what ``past_bias`` filled, ``work`` int32
    [hidden] to work in; the others are those of ``IntegerNet``, but ``w2`` is [hidden out, hidden in].
    """
    hidden = len(work)
    if wide != 0:
        x0, x1, x2, x3 = _log(now[j - 1]), _log(now[j - 2]), _log(now[j - 3] + now[j - 4]), _log(wide)
        for o in range(hidden):
            total = np.int32(bias[k, o] + w1[0, o] * x0 + w1[1, o] * x1 + w1[2, o] * x2 + w1[3, o] * x3)
            work[o] = min(max(total >> 10, 0), 4095)
    else:
        for o in range(hidden):
            work[o] = min(max(bias[k, o] >> 10, 0), 4095)
    out = np.int64(b3[0])
    for o in range(hidden):
        total = b2[o]
        for i in range(hidden):
            total = np.int32(total + w2[o, i] * work[i])
        out += w3[o] * min(max(total >> 10, 0), 4095)
    return min(max((out >> 10) + LOG_FLOOR * FINE_PER_OCTAVE, 0), N_FINE - 1)


def features_of(m: NDArray[np.int32]) -> NDArray[np.int16]:
    """Returns the context features of a whole batch at once, magnitudes m int32 [B, F, K] -> [B, F, K, 15].

    Computes what ``past_bias`` and ``fine_index`` compute, in sixteenths of an octave; used where all
    magnitudes are already known (training).
    """
    batch, frames, width = m.shape
    p = np.zeros((batch, frames + 2, width + 2 * MARGIN), np.int64)
    p[:, 2:, MARGIN:-MARGIN] = np.minimum(m, MAX_MAGNITUDE).astype(np.int64) << 4
    slow = np.zeros_like(p[:, 2:])
    envelope = np.zeros_like(slow)
    for t in range(1, frames):
        last = p[:, t + 1]
        slow[:, t] = slow[:, t - 1] + (((last << 2) - slow[:, t - 1]) >> 3)
        envelope[:, t] = envelope[:, t - 1] + (((last << 4) - envelope[:, t - 1]) >> envelope_shift(t))

    def at(plane: NDArray[np.int64], offset: int) -> NDArray[np.int64]:
        return plane[:, :, MARGIN + offset : MARGIN + offset + width]

    now, one, two = p[:, 2:], p[:, 1:-1], p[:, :-2]
    pairs = at(now, -3) + at(now, -4)
    wide = at(now, -1) + at(now, -2) + pairs + sum(at(now, -i) for i in range(5, 9))
    raw = [
        at(now, -1), at(now, -2), pairs, wide, at(one, 0), at(one, -1) + at(one, 1),
        at(one, -2) + at(one, 2), sum(at(one, i) for i in range(-8, 9)), at(two, 0), at(two, -1) + at(two, 1),
    ]  # fmt: skip
    smooth = [at(slow, 0), at(slow, -1) + at(slow, 1), sum(at(slow, -i) for i in range(1, 9))]
    slower = [at(envelope, 0), at(envelope, -1) + at(envelope, 1)]
    past = [v >> 2 for v in smooth] + [v >> 4 for v in slower]
    return LOG[np.minimum(np.stack(raw + past, -1), 65535)]
