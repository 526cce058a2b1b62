"""Measures each channel as it comes, in integers: band powers, line length, the rhythm of the slow wave.

A frame's numbers depend on samples up to its end and on nothing else, and not on how the samples were cut
into chunks. Powers are logarithms in 1/256 octave against a running baseline of the channel itself, so unit,
gain and reference do not matter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.filters import decimation, rhythm_step, sections
from cookbooks.lamquant.labels.frames import frame_end, n_frames
from cookbooks.lamquant.lqc.compiled import inlined, jit

LEAST_HZ = 40.0
N_CHANNEL = 9
"""Numbers of a channel: five bands, line length, rhythm, skewness, and the rise of a rhythmic slow wave."""
LINE_LENGTH, LIVE, LOUD, EXCESS = 5, 9, 10, 11
N_MEASURED = 12
"""With what only the states look at: whether the channel moves, its power, and that against its median."""
_INPUT_LIMIT, _LIMIT = 1 << 24, 1 << 27
_FRACTION, _HALF = 24, 1 << 23
_WINDOW = 4
_SUMS = 8
_HISTORY, _LAGS, _FIRST, _LAST = 64, 39, 4, 19
_LEAK = 6
_BASELINES = 7
_SLOWEST = 524
"""Of 65536: how fast a baseline follows at last, a time constant of about 30 s at four frames a second."""
_MEDIAN_STEP = 1 << 10
_LOG_64 = np.round(256 * np.log2(1 + (np.arange(64) + 0.5) / 64)).astype(np.int64)


@inlined
def _log2(value, table):
    """Returns about 256 * log2(value) of an integer from 1."""
    exponent = 0
    rest = value
    for shift in (32, 16, 8, 4, 2, 1):
        if rest >> shift:
            rest >>= shift
            exponent += shift
    mantissa = ((value >> max(exponent - 6, 0)) << max(6 - exponent, 0)) & 63
    return 256 * exponent + table[mantissa]


@inlined
def _clip(value, limit):
    return min(max(value, -limit), limit)


@inlined
def _filtered(x, c, s):
    """Returns one sample through a section; what rounding takes is given back at the next sample."""
    total = c[0] * x + c[1] * s[0] + c[2] * s[1] - c[3] * s[2] - c[4] * s[3] + s[4]
    y = total >> _FRACTION
    s[4] = total - (y << _FRACTION)
    y = _clip(y, _LIMIT)
    s[1] = s[0]
    s[0] = x
    s[3] = s[2]
    s[2] = y
    return y


@inlined
def _add_sample(v, at_rhythm, c, s, sums, past, r):
    """Adds one sample of a channel to the sums of the frame."""
    w = _filtered(v, c[0], s[0])
    y = _filtered(w, c[1], s[1])
    sums[0] += (y >> 2) * (y >> 2)
    for band in range(1, 5):
        y = _filtered(_filtered(w, c[2 * band], s[2 * band]), c[2 * band + 1], s[2 * band + 1])
        sums[band] += (y >> 2) * (y >> 2)
    sums[5] += abs(v - past[_HISTORY])
    past[_HISTORY] = v
    y = _filtered(_filtered(w, c[10], s[10]), c[11], s[11])
    sums[6] += (y >> 2) * (y >> 2)
    sums[7] += (w >> 2) * (w >> 2)
    if at_rhythm:
        z = _clip(y >> 4, 1 << 17)
        for i in range(_HISTORY - 1, 0, -1):
            past[i] = past[i - 1]
        past[0] = z
        for lag in range(_LAGS):
            r[lag] += z * past[lag] - (r[lag] >> _LEAK)
        r[_LAGS] += z * z * z - (r[_LAGS] >> _LEAK)


@inlined
def _rhythm(r):
    """Returns in 1/256 how much the slow wave is like itself one and two periods ago, at the best period."""
    best = -512
    for lag in range(_FIRST, _LAST + 1):
        best = max(best, min(r[lag], r[0]) // 2 + r[2 * lag] // 2)
    best = max(best, 0)
    return (best * 256) // (r[0] + 1)


@inlined
def _measured(ring, base, r, frames, table, out):
    """Writes the numbers of one channel at the end of a frame."""
    total = ring[0] + ring[1] + ring[2] + ring[3]
    live = total[5] > 0
    out[9] = 1 if live else 0
    if not live:
        for i in range(9):
            out[i] = 0
        out[10] = 0
        out[11] = 0
        return
    pace = max(65536 // (frames + 1), _SLOWEST)
    slow = 0
    for i in range(_BASELINES):
        f = _log2(total[i] + 1, table) * 256
        if i == 5:
            f *= 2
        if base[9] == 0:
            base[i] = f
        z = f - base[i]
        base[i] += (_clip(z, 65536) * pace) >> 16
        if i < 6:
            out[i] = z >> 8
        else:
            slow = z >> 8
    out[6] = _rhythm(r)
    out[7] = _clip(_log2(abs(r[_LAGS]) + 1, table) - (3 * _log2(r[0] + 1, table)) // 2 + 768, 1024)
    out[8] = (max(slow, 0) * out[6]) >> 8
    loud = _log2(ring[frames % _WINDOW][7] + 1, table)
    if base[9] == 0:
        base[7] = loud * 256
    excess = loud * 256 - base[7]
    step = max(65536 // (frames + 1), _MEDIAN_STEP)
    base[7] += step if excess > 0 else (-step if excess < 0 else 0)
    base[9] = 1
    out[10] = loud
    out[11] = excess >> 8


@jit
def _run(block, group, rhythm_every, ends, at, c, first, s, ring, base, past, r, table, out):
    """Takes a block ``[C, n]``; ``at`` holds samples, group, sum and frame counters of the stream."""
    channels, n = block.shape
    done = 0
    for t in range(n):
        if at[0] == 0:
            for ch in range(channels):
                first[ch, 0] = block[ch, t]
        at[0] += 1
        at[1] += 1
        whole = at[1] == group
        at_rhythm = False
        if whole:
            at[1] = 0
            at[2] += 1
            at_rhythm = at[2] == rhythm_every
            if at_rhythm:
                at[2] = 0
        slot = at[3] % _WINDOW
        for ch in range(channels):
            first[ch, 1] += block[ch, t] - first[ch, 0]
            if whole:
                v = _clip(first[ch, 1], _INPUT_LIMIT) << 6
                first[ch, 1] = 0
                _add_sample(v, at_rhythm, c, s[ch], ring[ch, slot], past[ch], r[ch])
        if done < len(ends) and ends[done] == at[0]:
            for ch in range(channels):
                _measured(ring[ch], base[ch], r[ch], at[3], table, out[done, ch])
            done += 1
            at[3] += 1
            for ch in range(channels):
                ring[ch, at[3] % _WINDOW] = 0


@dataclass
class FeatureStream:
    """Measures one recording, a block of samples at a time.

    Args:
        rate_hz: samples a second.
        channels: their number, from 1.
        frame_ms: milliseconds between two measurements.

    Raises:
        ValueError: a rate below 40 Hz, or no channel.
    """

    rate_hz: float
    channels: int
    frame_ms: int = 250

    def __post_init__(self) -> None:
        if self.rate_hz < LEAST_HZ:
            raise ValueError(f"rate_hz={self.rate_hz:g}: must be at least {LEAST_HZ:g}; leave it out")
        if self.channels < 1:
            raise ValueError(f"channels={self.channels}: must be at least 1")
        n = self.channels
        self._c = sections(self.rate_hz)
        self._at = np.zeros(4, np.int64)
        self._first = np.zeros((n, 2), np.int64)
        self._s = np.zeros((n, len(self._c), 5), np.int64)
        self._ring = np.zeros((n, _WINDOW, _SUMS), np.int64)
        self._base = np.zeros((n, 10), np.int64)
        self._past = np.zeros((n, _HISTORY + 1), np.int64)
        self._r = np.zeros((n, _LAGS + 1), np.int64)

    def push(self, digital: NDArray[np.integer]) -> NDArray[np.int32]:
        """Returns the numbers of the frames that end within a block ``[C, n]``, ``[frames, C, 12]``.

        Raises:
            ValueError: another number of channels.
        """
        if digital.ndim != 2 or digital.shape[0] != self.channels:
            raise ValueError(f"digital: shape {digital.shape}: must be [{self.channels}, samples]")
        seen, frame = int(self._at[0]), int(self._at[3])
        last = n_frames(seen + digital.shape[1], self.rate_hz, self.frame_ms)
        ends = np.array([frame_end(k, self.rate_hz, self.frame_ms) for k in range(frame, last)], np.int64)
        out = np.zeros((len(ends), self.channels, N_MEASURED), np.int32)
        block = np.ascontiguousarray(digital, np.int64)
        group, every = decimation(self.rate_hz), rhythm_step(self.rate_hz)
        state = self._c, self._first, self._s, self._ring, self._base, self._past, self._r
        _run(block, group, every, ends, self._at, *state, _LOG_64, out)
        return out


def log_table() -> NDArray[np.int64]:
    """Returns 256 times log2 of 1 to 2 in 64 steps, by which powers become logarithms."""
    return _LOG_64
