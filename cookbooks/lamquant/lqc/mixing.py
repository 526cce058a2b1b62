"""Encodes and decodes binary decisions whose probability several adaptive counters say together.

Each context owns a counter (probability and how often it was seen); their logits are added with weights
that adapt as well: logistic mixing, Mahoney (2005), "Adaptive weighing of context models for lossless data
compression". All arithmetic is on integers: probabilities of 20 bits, logits of 1/256, weights of 1/65536.
"""

import numpy as np

from cookbooks.lamquant.lqc.compiled import inlined
from cookbooks.lamquant.lqc.range_coder import put_bit, take_bit

PROBABILITY_BITS = 20
_COUNT_BITS = 10
EVEN = (1 << PROBABILITY_BITS >> 1) << _COUNT_BITS
"""A counter that has seen nothing."""
COUNTERS_END = 1 << (PROBABILITY_BITS + _COUNT_BITS)
ONE_WEIGHT = 1 << 16
_HALF_LOGITS = 2048
N_INPUTS = 6
"""Counters that a decision is mixed from."""


def _stretch() -> np.ndarray:
    p = (np.arange(4096) + 0.5) / 4096
    return np.clip(np.round(256 * np.log(p / (1 - p))), 1 - _HALF_LOGITS, _HALF_LOGITS - 1).astype(np.int32)


def _squash() -> np.ndarray:
    p = 65536 / (1 + np.exp(-(np.arange(2 * _HALF_LOGITS) - _HALF_LOGITS) / 256))
    return np.clip(np.round(p), 16, 65536 - 16).astype(np.int32)


STRETCH, SQUASH = _stretch(), _squash()
_SHARE = (65536 / (np.arange(1 << _COUNT_BITS) + 1.6)).astype(np.int64)


@inlined
def learn(counters, at, bit, limit):
    """Move the counter at ``at`` towards ``bit``, by less the more often it was seen (``limit`` at most)."""
    value = np.int64(counters[at])
    n, p = value & 1023, value >> 10
    p += (((1048575 if bit else 0) - p) * _SHARE[n]) >> 16
    counters[at] = p << 10 | min(n + 1, limit)


@inlined
def code_mixed(bit, decoding, state, data, counters, slots, depth, weights, choice, logits, limit, rate):
    """Write ``bit``, or read it where ``decoding``; return it. Counters and weights learn from it.

    Input i is the counter at ``slots[i] + depth``; ``weights[choice]`` is the line of weights; ``logits``
    int64 [inputs] is to work in.
    """
    total = 0
    for i in range(N_INPUTS):
        logits[i] = STRETCH[counters[slots[i] + depth] >> 18]
        total += logits[i] * weights[choice, i]
    one = np.int64(SQUASH[min(max(total >> 16, -2047), 2047) + 2048])
    if decoding:
        bit = take_bit(state, data, one)
    else:
        put_bit(state, data, bit, one)
    wrong = ((bit << 16) - one) * rate
    for i in range(N_INPUTS):
        weights[choice, i] += (logits[i] * wrong + 524288) >> 20
        learn(counters, slots[i] + depth, bit, limit)
    return bit


@inlined
def code_single(bit, decoding, state, data, counters, at, limit):
    """Write or read a bit by one counter alone; return it."""
    one = min(max(np.int64(counters[at]) >> 14, 16), 65520)
    if decoding:
        bit = take_bit(state, data, one)
    else:
        put_bit(state, data, bit, one)
    learn(counters, at, bit, limit)
    return bit


def rested(counters: np.ndarray, most: int) -> np.ndarray:
    """Returns counters that count as seen ``most`` times at most, so that they adapt to what comes."""
    value = counters.astype(np.int64)
    return (value >> _COUNT_BITS << _COUNT_BITS | np.minimum(value & 1023, most)).astype(np.int32)
