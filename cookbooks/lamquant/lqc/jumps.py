"""Takes jumps out of a signal before it is transformed: electrode pops, amplifier resets, joined trials.

A jump spreads over all coefficients of the frames around it. A few numbers describe it better: where it is,
and the signal's value before and after. Between jumps the baseline is a straight line from the value after
one to the value before the next. It is 0 at both ends of a chunk, so what is left is continuous everywhere,
and chunks need not know of one another.

In a chunk's bytes: 0 where no channel jumps. Else the number of places, the number of bytes, and in these
bits: two parameters of five bits, the gaps between places, and of each channel whether it jumps, its grid, at
which of the places (where there are several channels), and the values before and after. Gaps and values are
Exp-Golomb codes, values folded to positive integers first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.compiled import jit
from cookbooks.lamquant.lqc.errors import PayloadError
from cookbooks.lamquant.lqc.range_coder import finish, new_encoder, put_bits, start_decoder, take_bits
from cookbooks.lamquant.lqc.varint import Cursor, put

MAX_GRID = 31
MAX_VALUE = 1 << 24
_PARAMETER_BITS = 5
_LONGEST = 32


@dataclass(frozen=True)
class Jumps:
    """Holds the jumps of one channel in one chunk.

    ``at`` int64 [n], rising, is the first sample after each; ``before`` and ``after`` int64 [n] are the
    values beside it in units of ``2**grid`` digital units.
    """

    at: NDArray[np.int64]
    grid: int
    before: NDArray[np.int64]
    after: NDArray[np.int64]


_EMPTY = np.zeros(0, np.int64)
NONE = Jumps(_EMPTY, 0, _EMPTY, _EMPTY)


def render(jumps: Jumps, n_samples: int) -> NDArray[np.float64]:
    """Returns the baseline of one channel, float64 [n_samples], in digital units."""
    return _lines(jumps.at, jumps.before * 2.0**jumps.grid, jumps.after * 2.0**jumps.grid, n_samples)


@jit
def _lines(at, before, after, n_samples):
    out = np.zeros(n_samples)
    start, value = 0, 0.0
    for i in range(len(at) + 1 if len(at) else 0):
        stop, end = n_samples, 0.0
        if i < len(at):
            stop, end = at[i], before[i]
        for t in range(start, stop):
            out[t] = value + (end - value) * ((t - start + 0.5) / (stop - start))
        if i < len(at):
            start, value = stop, after[i]
    return out


def render_all(jumps: Sequence[Jumps], n_samples: int) -> NDArray[np.float64]:
    """Returns the baselines of all channels, float64 [C, n_samples]."""
    return np.stack([render(one, n_samples) for one in jumps])


class Baseline:
    """Holds the jumps of chunks of ``size`` samples each, as they become known; what has none is not held."""

    def __init__(self, size: int = 1, n_samples: int = 0) -> None:
        self._size, self._n_samples = size, n_samples
        self._chunks: dict[int, Sequence[Jumps]] = {}

    def samples_of(self, chunk: int) -> tuple[int, int]:
        """Returns the range of samples that a chunk has jumps of; the last one may have none."""
        start = min(chunk * self._size, self._n_samples)
        return start, min(start + self._size, self._n_samples)

    def hold(self, chunk: int, jumps: Sequence[Jumps]) -> None:
        """Update what is known of a chunk."""
        if any(len(one.at) for one in jumps):
            self._chunks[chunk] = jumps

    def of(self, chunk: int, n_channels: int) -> Sequence[Jumps]:
        """Returns the jumps of each channel in a chunk."""
        return self._chunks.get(chunk, [NONE] * n_channels)

    def on(self, x: NDArray[np.float64], at: int) -> NDArray[np.float64]:
        """Returns samples x [C, n] from number ``at`` on with the baseline put back."""
        return self._with(x, at, 1.0)

    def off(self, x: NDArray[np.float64], at: int) -> NDArray[np.float64]:
        """Returns samples x [C, n] from number ``at`` on without the baseline."""
        return self._with(x, at, -1.0)

    def _with(self, x: NDArray[np.float64], at: int, sign: float) -> NDArray[np.float64]:
        if not self._chunks:
            return x
        out, end = x, at + x.shape[1]
        for chunk in range(at // self._size, (max(at, end - 1)) // self._size + 1):
            if chunk not in self._chunks:
                continue
            start, stop = self.samples_of(chunk)
            low, high = max(start, at), min(stop, end)
            if low < high:
                lines = render_all(self._chunks[chunk], stop - start)[:, low - start : high - start]
                out = out.copy() if out is x else out
                out[:, low - at : high - at] += sign * lines
        return out


def pack_jumps(jumps: Sequence[Jumps]) -> bytes:
    """Returns the bytes of the jumps of all channels of a chunk."""
    places = np.unique(np.concatenate([one.at for one in jumps]))
    out = bytearray()
    put(out, len(places))
    if not len(places):
        return bytes(out)
    gaps = np.diff(places, prepend=0) - 1
    mask = np.stack([np.isin(places, one.at) for one in jumps])
    values = _folded(np.concatenate([np.stack([one.before, one.after], 1).reshape(-1) for one in jumps]))
    grids = np.array([one.grid for one in jumps], np.int64)
    state, body = (
        new_encoder(),
        np.empty(16 * (len(gaps) + len(values) + mask.size + len(jumps)) + 16, np.uint8),
    )
    _write(state, body, gaps, mask, grids, values, _parameter(gaps), _parameter(values))
    size = int(finish(state, body))
    put(out, size)
    return bytes(out) + body[:size].tobytes()


def unpack_jumps(cursor: Cursor, n_channels: int, n_samples: int) -> list[Jumps]:
    """Returns the jumps of each channel, and leaves ``cursor`` behind them.

    Raises:
        PayloadError: more places than samples, places outside of the chunk, or bytes that are not there.
    """
    n_places = cursor.take("number of jumps", most=max(0, n_samples - 1))
    if not n_places:
        return [NONE] * n_channels
    body = np.frombuffer(cursor.take_bytes("jumps", cursor.take("bytes of jumps", most=1 << 40)), np.uint8)
    if n_places > 8 * len(body) + 64:
        raise PayloadError(f"{n_places} jumps are said to be in {len(body)} bytes: the chunk is damaged")
    places, grids = np.zeros(n_places, np.int64), np.zeros(n_channels, np.int64)
    mask = np.zeros((n_channels, n_places), np.bool_)
    values = np.zeros((n_channels, n_places, 2), np.int64)
    _read(body, places, mask, grids, values)
    if places[-1] >= n_samples or (np.abs(values) > MAX_VALUE).any():
        raise PayloadError(f"a jump lies outside of the chunk's {n_samples} samples: the chunk is damaged")
    found = zip(mask, grids.tolist(), values, strict=True)
    return [Jumps(places[m], grid, v[m, 0], v[m, 1]) if m.any() else NONE for m, grid, v in found]


def _folded(values: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(values >= 0, values << 1, (-values << 1) - 1)


def _parameter(numbers: NDArray[np.int64]) -> int:
    """Returns the Exp-Golomb parameter with which the numbers take the fewest bits."""
    octaves = [np.log2((numbers >> k) + 1.0).astype(np.int64) for k in range(31)]
    return int(np.argmin([(2 * o + 1 + k).sum() for k, o in enumerate(octaves)]))


@jit
def _put_number(state, out, number, parameter):
    high = (number >> parameter) + 1
    length = 0
    while high >> (length + 1):
        length += 1
    put_bits(state, out, 0, length)
    put_bits(state, out, high, length + 1)
    put_bits(state, out, number, parameter)


@jit
def _take_number(state, data, parameter):
    length = 0
    while length < _LONGEST and not take_bits(state, data, 1):
        length += 1
    high = np.int64(1) << length | take_bits(state, data, length)
    return (high - 1) << parameter | take_bits(state, data, parameter)


@jit
def _write(state, out, gaps, mask, grids, values, gap_parameter, parameter):
    put_bits(state, out, gap_parameter, _PARAMETER_BITS)
    put_bits(state, out, parameter, _PARAMETER_BITS)
    for gap in gaps:
        _put_number(state, out, gap, gap_parameter)
    channels, places = mask.shape
    at = 0
    for c in range(channels):
        there = mask[c].any()
        put_bits(state, out, 1 if there else 0, 1)
        if not there:
            continue
        put_bits(state, out, grids[c], _PARAMETER_BITS)
        for i in range(places):
            if channels > 1:
                put_bits(state, out, 1 if mask[c, i] else 0, 1)
            if mask[c, i]:
                _put_number(state, out, values[at], parameter)
                _put_number(state, out, values[at + 1], parameter)
                at += 2


@jit
def _read(data, places, mask, grids, values):
    state = start_decoder(data, 0)
    gap_parameter = take_bits(state, data, _PARAMETER_BITS)
    parameter = take_bits(state, data, _PARAMETER_BITS)
    channels, n_places = mask.shape
    at = 0
    for i in range(n_places):
        at = min(at + 1 + _take_number(state, data, gap_parameter), np.int64(1) << 60)
        places[i] = at
    for c in range(channels):
        if not take_bits(state, data, 1):
            continue
        grids[c] = take_bits(state, data, _PARAMETER_BITS)
        for i in range(n_places):
            mask[c, i] = channels == 1 or take_bits(state, data, 1) == 1
            if mask[c, i]:
                for side in range(2):
                    number = _take_number(state, data, parameter)
                    values[c, i, side] = number >> 1 if number & 1 == 0 else -((number + 1) >> 1)
