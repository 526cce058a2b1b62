"""Writes and reads intervals of up to 2**24 parts: a range coder with 64 bits of state.

The 16-bit frequencies of ``range_coder`` are too coarse here: two thousand symbols share them, most of
them far from what was predicted. Method of Martin (1979); a carry walks back in the bytes written. After
the last byte a decoder reads zeros. Damaged bytes give garbage, never an error.
"""

from typing import Any

import numpy as np

from cookbooks.lamquant.lqc.compiled import jit

int64: Any = np.int64
U8, U56 = np.uint64(8), np.uint64(56)
TOP = np.uint64(1 << 56)
LOW, RANGE, CODE, AT = 0, 1, 2, 3
"""Places in the state of the range coder [4]."""


@jit
def start_coder() -> Any:
    """Return the state of a range coder [4] that has coded nothing."""
    state = np.zeros(4, np.uint64)
    state[RANGE] = np.uint64(0xFFFFFFFFFFFFFFFF)
    return state


@jit
def start_decoder(data: Any) -> Any:
    """Return the state [4] of a decoder at the begin of ``data`` uint8 [n]."""
    state = start_coder()
    for _ in range(8):
        state[CODE] = (state[CODE] << U8) | _next_byte(state, data)
    return state


@jit
def _next_byte(state: Any, data: Any) -> Any:
    at = int64(state[AT])
    state[AT] += np.uint64(1)
    return np.uint64(data[at]) if at < len(data) else np.uint64(0)


@jit
def _emit(state: Any, out: Any) -> None:
    out[int64(state[AT])] = np.uint8(state[LOW] >> U56)
    state[AT] += np.uint64(1)
    state[LOW] = state[LOW] << U8


@jit
def _carry(out: Any, at: int) -> None:
    while at > 0:
        at -= 1
        if out[at] != 255:
            out[at] += 1
            return
        out[at] = 0


@jit
def put(state: Any, out: Any, first: int, count: int, bits: int) -> None:
    """Write the interval [``first``, ``first + count``) of 2**``bits``; ``out`` uint8 has room for 8 more."""
    unit = state[RANGE] >> np.uint64(bits)
    low = state[LOW] + unit * np.uint64(first)
    if low < state[LOW]:
        _carry(out, int64(state[AT]))
    state[LOW] = low
    state[RANGE] = unit * np.uint64(count)
    while state[RANGE] < TOP:
        _emit(state, out)
        state[RANGE] = state[RANGE] << U8


@jit
def peek(state: Any, bits: int) -> int:
    """Returns which of 2**``bits`` units the next symbol's interval holds."""
    unit = state[RANGE] >> np.uint64(bits)
    return min(int64(state[CODE] // unit), (1 << bits) - 1)


@jit
def take(state: Any, data: Any, first: int, count: int, bits: int) -> None:
    """Leave the interval behind that ``put`` coded."""
    unit = state[RANGE] >> np.uint64(bits)
    state[CODE] -= unit * np.uint64(first)
    state[RANGE] = unit * np.uint64(count)
    while state[RANGE] < TOP:
        state[CODE] = (state[CODE] << U8) | _next_byte(state, data)
        state[RANGE] = state[RANGE] << U8


@jit
def finish(state: Any, out: Any) -> int:
    """Write the byte that ends the stream; returns how many there are in all."""
    low = (state[LOW] + TOP - np.uint64(1)) & ~(TOP - np.uint64(1))  # a range is TOP at least
    if low < state[LOW]:
        _carry(out, int64(state[AT]))
    state[LOW] = low
    _emit(state, out)
    return int64(state[AT])


@jit
def put_bits(state: Any, out: Any, value: int, n_bits: int) -> None:
    """Write ``value``, at least 0, as ``n_bits`` plain bits."""
    while n_bits > 16:
        n_bits -= 16
        put(state, out, (value >> n_bits) & 0xFFFF, 1, 16)
    put(state, out, value & ((1 << n_bits) - 1), 1, n_bits)


@jit
def take_bits(state: Any, data: Any, n_bits: int) -> int:
    """Return what ``put_bits`` coded."""
    value = 0
    while n_bits > 0:
        n = 16 if n_bits > 16 else n_bits
        n_bits -= n
        part = peek(state, n)
        take(state, data, part, 1, n)
        value = (value << n) | part
    return value


@jit
def put_length(state: Any, out: Any, value: int) -> None:
    """Write ``value`` in [0, 2**40): its bit length in 6 bits, and its bits without the first."""
    length = 0
    while value >> length:
        length += 1
    put_bits(state, out, length, 6)
    if length > 1:
        put_bits(state, out, value & ((1 << (length - 1)) - 1), length - 1)


@jit
def take_length(state: Any, data: Any) -> int:
    """Return what ``put_length`` coded; of damaged data as well less than 2**40."""
    length = min(take_bits(state, data, 6), 40)
    if length < 2:
        return length
    return (1 << (length - 1)) | take_bits(state, data, length - 1)
