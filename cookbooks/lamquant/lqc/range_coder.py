"""Encodes and decodes symbols of given 16-bit frequencies: a byte-wise range coder with carry, 32-bit range.

Method of Martin (1979), with the carry held back as in Subbotin's and Pavlov's coders. The state is an array
so that compiled kernels can pass it on. After the last byte a decoder reads zeros, so trailing zeros are not
written. Reading damaged bytes gives garbage, never an error.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import inlined, jit

TOTAL_BITS = 16
_LOW, _RANGE, _CACHE, _PENDING, _AT = range(5)


def new_encoder() -> NDArray[np.int64]:
    """Returns the state of an encoder: low, range, byte held back, bytes of carry, bytes written."""
    return np.array([0, 0xFFFFFFFF, -1, 0, 0], np.int64)


@inlined
def _emit(state, out, byte):
    at = state[_AT]
    if at < len(out):
        out[at] = byte
    state[_AT] = at + 1


@jit
def _shift_low(state, out):
    low = state[_LOW]
    if low < 0xFF000000 or low > 0xFFFFFFFF:
        carry = low >> 32
        if state[_CACHE] >= 0:
            _emit(state, out, (state[_CACHE] + carry) & 0xFF)
        while state[_PENDING] > 0:
            _emit(state, out, (0xFF + carry) & 0xFF)
            state[_PENDING] -= 1
        state[_CACHE] = (low >> 24) & 0xFF
    else:
        state[_PENDING] += 1
    state[_LOW] = (low & 0x00FFFFFF) << 8


@jit
def put(state, out, start, size):
    """Write the symbol that owns ``size`` of 2**16 parts of the range from ``start`` on.

    What division leaves of the range belongs to the last symbol.
    """
    part = state[_RANGE] >> 16
    state[_LOW] += start * part
    size_now = size * part if start + size < 65536 else state[_RANGE] - start * part
    while size_now < 0x1000000:
        size_now <<= 8
        _shift_low(state, out)
    state[_RANGE] = size_now


@jit
def put_bits(state, out, value, n):
    """Write the ``n`` low bits of ``value``, all equally likely, highest first."""
    for i in range(n - 1, -1, -1):
        half = state[_RANGE] >> 1
        if value >> i & 1:
            state[_LOW] += half
        if half < 0x1000000:
            half <<= 8
            state[_RANGE] = half
            _shift_low(state, out)
        else:
            state[_RANGE] = half


@jit
def finish(state, out):
    """Write as few bytes as tell the range, and return how many there are now; more than fit say so."""
    low, span = state[_LOW], state[_RANGE]
    for keep in range(5):
        bits = 32 - 8 * keep
        value = ((low + (1 << bits) - 1) >> bits) << bits
        if value < low + span:
            state[_LOW] = value
            break
    for _ in range(5):
        _shift_low(state, out)
    size = min(state[_AT], len(out))
    if state[_AT] > len(out):
        return state[_AT]
    while size > 0 and out[size - 1] == 0:
        size -= 1
    return size


@inlined
def _next(state, data):
    at = state[2]
    state[2] = at + 1
    if at < len(data):
        return np.int64(data[at])
    return np.int64(0)


@jit
def start_decoder(data, at):
    """Returns the state of a decoder of ``data`` uint8 from byte ``at`` on: code, range, position."""
    state = np.empty(3, np.int64)
    state[0], state[1], state[2] = 0, 0xFFFFFFFF, at
    for _ in range(4):
        state[0] = state[0] << 8 | _next(state, data)
    return state


@jit
def look(state):
    """Returns which of the 2**16 parts of the range the next symbol lies in."""
    return min(state[0] // (state[1] >> 16), 65535)


@jit
def take(state, data, start, size):
    """Take the symbol that owns ``size`` parts of the range from ``start`` on."""
    part = state[1] >> 16
    state[0] -= start * part
    state[1] = size * part if start + size < 65536 else state[1] - start * part
    while state[1] < 0x1000000:
        state[1] <<= 8
        state[0] = (state[0] << 8 | _next(state, data)) & 0xFFFFFFFF


@jit
def take_bits(state, data, n):
    """Returns the next ``n`` equally likely bits."""
    value = 0
    for _ in range(n):
        half = state[1] >> 1
        bit = 1 if state[0] >= half else 0
        if bit:
            state[0] -= half
        value = value << 1 | bit
        state[1] = half
        if half < 0x1000000:
            state[1] = half << 8
            state[0] = (state[0] << 8 | _next(state, data)) & 0xFFFFFFFF
    return value


@inlined
def put_bit(state, out, bit, one):
    """Write a bit that is 1 with probability ``one`` / 2**16."""
    part = (state[_RANGE] >> 16) * one
    if bit:
        span = part
    else:
        state[_LOW] += part
        span = state[_RANGE] - part
    while span < 0x1000000:
        span <<= 8
        _shift_low(state, out)
    state[_RANGE] = span


@inlined
def take_bit(state, data, one):
    """Returns the next bit, which is 1 with probability ``one`` / 2**16."""
    part = (state[1] >> 16) * one
    if state[0] < part:
        bit, span = 1, part
    else:
        bit, span = 0, state[1] - part
        state[0] -= part
    while span < 0x1000000:
        span <<= 8
        state[0] = (state[0] << 8 | _next(state, data)) & 0xFFFFFFFF
    state[1] = span
    return bit
