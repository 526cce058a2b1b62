"""Encodes and decodes magnitudes by 64 static tables: what a microcontroller can write.

A magnitude is a token (16 symbols, the last one escapes) of ``|q| >> shift`` followed by ``shift`` raw bits;
the sign is one raw bit. Large scales have a shift, so drift of any size is coded cheaply.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.context import LOG_FLOOR, MAX_MAGNITUDE
from cookbooks.lamquant.lqc.range_coder import TOTAL_BITS, look, put, put_bits, take, take_bits

N_TABLES = 64
TABLES_PER_OCTAVE = 4
N_TOKENS = 16
ESCAPE = N_TOKENS - 1
_LONGEST_ESCAPE = 20


def _shifts() -> NDArray[np.int32]:
    octave = np.arange(N_TABLES) // TABLES_PER_OCTAVE - LOG_FLOOR
    return np.maximum(0, octave - 1).astype(np.int32)


@jit
def table_of(fine):
    """Returns the table of a scale index, which is four times as fine."""
    return min((fine + 2) >> 2, 63)


SHIFTS = _shifts()
"""Raw low bits of each table: none below a scale of 4 steps, then one an octave."""


def prior_shares() -> NDArray[np.float64]:
    """Returns token probabilities of a discretised Laplace distribution for every table,
    [N_TABLES, N_TOKENS].
    """
    scale = 2.0 ** (np.arange(N_TABLES) / TABLES_PER_OCTAVE - LOG_FLOOR)
    edges = np.arange(N_TOKENS + 1)[None] * 2.0 ** SHIFTS[:, None] - 0.5
    edges[:, 0] = 0
    tail = np.exp(-edges / scale[:, None])
    probability = tail[:, :-1] - tail[:, 1:]
    probability[:, -1] = tail[:, -2]
    return probability / probability.sum(1, keepdims=True)


def starts_from(counts: NDArray[np.float64], weight: float = 24.0) -> NDArray[np.int32]:
    """Returns cumulative integer frequencies, [N_TABLES, N_TOKENS + 1] from 0 to 2**16, no symbol without.

    ``weight`` is how many observations the Laplace prior counts for.
    """
    blended = counts + weight * prior_shares()
    total = 1 << TOTAL_BITS
    table = np.floor(blended / blended.sum(1, keepdims=True) * (total - N_TOKENS)).astype(np.int64) + 1
    table[np.arange(len(table)), table.argmax(1)] += total - table.sum(1)
    return np.pad(np.cumsum(table, 1), ((0, 0), (1, 0))).astype(np.int32)


def cost_table(starts: NDArray[np.int32]) -> NDArray[np.float64]:
    """Returns bits per token of cumulative frequencies [..., N_TOKENS + 1], [..., N_TOKENS]."""
    return TOTAL_BITS - np.log2(np.diff(starts.astype(np.float64), axis=-1))


@jit
def token_bits(cost, kind, c, m):
    """Returns the code length of magnitude ``m`` (with its sign) by table ``c`` of ``cost`` [kinds, tables,
    tokens]."""
    shift = SHIFTS[c]
    token = m >> shift
    bits = cost[kind, c, min(token, ESCAPE)] + shift
    if m > 0:
        bits += 1.0
    if token >= ESCAPE:
        rest = token - ESCAPE + 1
        while rest > 1:
            bits += 2.0
            rest >>= 1
        bits += 1.0
    return bits


@jit
def put_token(state, out, starts, c, value):
    """Write an integer by table ``c``."""
    magnitude, shift = abs(value), SHIFTS[c]
    token = magnitude >> shift
    symbol = min(token, ESCAPE)
    put(state, out, 65536 - starts[c, symbol + 1], starts[c, symbol + 1] - starts[c, symbol])
    if symbol == ESCAPE:
        put_escape(state, out, token - ESCAPE + 1)
    if shift > 0:
        put_bits(state, out, magnitude & ((1 << shift) - 1), shift)
    if magnitude > 0:
        put_bits(state, out, 1 if value < 0 else 0, 1)


@jit
def take_token(state, data, starts, c):
    """Returns the next integer by table ``c``."""
    # symbols lie from the top down, so that the range's remainder is the zero's, the most frequent one
    at = 65535 - look(state)
    symbol = 0
    while starts[c, symbol + 1] <= at:
        symbol += 1
    take(state, data, 65536 - starts[c, symbol + 1], starts[c, symbol + 1] - starts[c, symbol])
    magnitude, shift = symbol, SHIFTS[c]
    if symbol == ESCAPE:
        magnitude += take_escape(state, data) - 1
    if shift > 0:
        magnitude = magnitude << shift | take_bits(state, data, shift)
    magnitude = min(magnitude, MAX_MAGNITUDE)
    if magnitude > 0 and take_bits(state, data, 1) == 1:
        return -magnitude
    return magnitude


@jit
def put_escape(state, out, rest):
    """Write ``rest`` >= 1 as an Elias gamma code: how many bits follow, in unary, then the bits."""
    length = 0
    while rest >> (length + 1) > 0:
        length += 1
    put_bits(state, out, 0, length)
    put_bits(state, out, 1, 1)
    put_bits(state, out, rest & ((1 << length) - 1), length)


@jit
def take_escape(state, data):
    """Returns the next integer of an Elias gamma code; one too long for any magnitude is cut short."""
    length = 0
    while length < _LONGEST_ESCAPE and take_bits(state, data, 1) == 0:
        length += 1
    return 1 << length | take_bits(state, data, length)
