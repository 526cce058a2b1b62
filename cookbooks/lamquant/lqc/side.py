"""Packs the few small integers that stand beside coefficients: steps, levels, rotations.

Each number has a context: a small integer that says what it is. A number is sent as how many bits
``value + 1`` has, in unary, and those bits. Decisions of the unary part and the two highest bits are coded
with probabilities that adapt, so what repeats costs little. Integers only.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import inlined, jit
from cookbooks.lamquant.lqc.range_coder import (
    finish,
    new_encoder,
    put,
    put_bits,
    start_decoder,
    take,
    take_bits,
)

N_CONTEXTS = 32
_MOST_BITS = 30
_SLOWEST = 30
"""A probability moves by at least 1 / 32 of what is missing."""


def folded(values: NDArray[np.integer]) -> NDArray[np.int64]:
    """Returns signed integers as unsigned ones: 0, -1, 1, -2 become 0, 1, 2, 3."""
    wide = np.asarray(values, np.int64)
    return np.where(wide >= 0, wide << 1, (-wide << 1) - 1)


def unfolded(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Returns the signed integers that ``folded`` was given."""
    return np.where(values & 1, -((values + 1) >> 1), values >> 1)


def _state() -> NDArray[np.int64]:
    """Returns probabilities of a zero in 1 / 2**16, and how often each was used."""
    state = np.zeros((N_CONTEXTS, 4, _MOST_BITS + 1, 2), np.int64)
    state[..., 0] = 1 << 15
    return state


@inlined
def _learn(cell, bit):
    goal = 65536 - 32 if bit == 0 else 32
    cell[0] += (goal - cell[0]) // (cell[1] + 2)
    if cell[1] < _SLOWEST:
        cell[1] += 1


@jit
def _put_bit(coder, out, cell, bit):
    if bit == 0:
        put(coder, out, 0, cell[0])
    else:
        put(coder, out, cell[0], 65536 - cell[0])
    _learn(cell, bit)


@jit
def _take_bit(coder, data, cell):
    # the coder's look() is here a comparison with one border
    border = (coder[1] >> 16) * cell[0]
    bit = 1 if coder[0] >= border else 0
    if bit == 0:
        take(coder, data, 0, cell[0])
    else:
        take(coder, data, cell[0], 65536 - cell[0])
    _learn(cell, bit)
    return bit


@jit
def _write(coder, out, state, values, contexts):
    for n in range(len(values)):
        value, cells = values[n] + 1, state[contexts[n]]
        size = 0
        while size < _MOST_BITS and value >> (size + 1) > 0:
            _put_bit(coder, out, cells[0, size], 1)
            size += 1
        if size < _MOST_BITS:
            _put_bit(coder, out, cells[0, size], 0)
        left, row = size, 1
        while left > 0 and row < 4:
            left -= 1
            bit = value >> left & 1
            _put_bit(coder, out, cells[row, size], bit)
            row = 4 if row > 1 else 2 + bit
        put_bits(coder, out, value, left)
    return finish(coder, out)


@jit
def _read(coder, data, state, context, values):
    cells = state[context]
    for n in range(len(values)):
        size = 0
        while size < _MOST_BITS and _take_bit(coder, data, cells[0, size]) == 1:
            size += 1
        left, row, value = size, 1, 1
        while left > 0 and row < 4:
            left -= 1
            bit = _take_bit(coder, data, cells[row, size])
            value = value << 1 | bit
            row = 4 if row > 1 else 2 + bit
        values[n] = (value << left | take_bits(coder, data, left)) - 1


class SideWriter:
    """Collects numbers and packs them in the order in which they came."""

    def __init__(self) -> None:
        self._values: list[NDArray[np.int64]] = []
        self._contexts: list[NDArray[np.int64]] = []

    def put(self, context: int, values: NDArray[np.integer] | int) -> None:
        """Append one number or several, each of 0 to 2**30 - 2."""
        array = np.atleast_1d(np.asarray(values, np.int64))
        self._values.append(array)
        self._contexts.append(np.full(len(array), context))

    def pack(self) -> bytes:
        """Returns all numbers as bytes."""
        values = np.concatenate(self._values)
        out = np.empty(16 + 8 * len(values), np.uint8)
        size = _write(new_encoder(), out, _state(), values, np.concatenate(self._contexts))
        return out[:size].tobytes()


class SideReader:
    """Reads what ``SideWriter`` packed; beyond the end, and of damaged bytes, other numbers."""

    def __init__(self, data: bytes) -> None:
        self._data = np.frombuffer(data, np.uint8)
        self._coder, self._state = start_decoder(self._data, 0), _state()

    def take(self, context: int, count: int) -> NDArray[np.int64]:
        """Returns the next ``count`` numbers, each of 0 to 2**31 - 2."""
        values = np.empty(count, np.int64)
        _read(self._coder, self._data, self._state, context, values)
        return values
