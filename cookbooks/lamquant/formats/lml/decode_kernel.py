"""Decodes one LML1 channel, compiled: Golomb-Rice, bias, linear prediction, inverse 5/3 lifting.

Integer arithmetic only (int64, wrapping), every read bounds-checked: damaged bytes give a status.
"""

from typing import Any

import numpy as np

from cookbooks.lamquant.formats.lml.kernel import (
    BAD_COUNT,
    BAD_ORDER,
    BAD_RICE,
    BIAS_SHIFT,
    BIAS_TAPS,
    MAX_ORDER,
    MAX_RICE,
    OK,
    Q_BITS,
    SHORT,
    jit,
)


@jit
def band_lengths(n_samples: int, depth: int) -> np.ndarray:
    """Returns the subband lengths in wire order: deepest approximation, then details from deep to shallow."""
    lengths = np.empty(depth + 1, np.int64)
    n = n_samples
    for level in range(depth):
        lengths[depth - level] = n // 2
        n -= n // 2
    lengths[0] = n
    return lengths


@jit
def unlift(approx: np.ndarray, detail: np.ndarray, x: np.ndarray) -> None:
    """Undo one level of the reversible Le Gall 5/3 transform, symmetric extension (spec 4.2)."""
    n, n_approx, n_detail = x.size, approx.size, detail.size
    for i in range(n_approx):
        if n_detail == 0:
            x[i] = approx[i]
            continue
        left = detail[i - 1] if i > 0 else detail[0]
        right = detail[i] if i < n_detail else detail[n_detail - 1]
        x[2 * i] = approx[i] - ((left + right + 2) >> 2)
    for i in range(n_detail):
        right = x[2 * i + 2] if 2 * i + 2 < n else x[2 * i]
        x[2 * i + 1] = detail[i] + ((x[2 * i] + right) >> 1)


@jit
def _read_codes(payload: np.ndarray, ppos: int, k: int, out: np.ndarray) -> int:
    """Read Golomb-Rice values of one subband, unzigzagged; returns the new position, or -1 past the end."""
    pos, end = ppos * 8, payload.size * 8
    for i in range(out.size):
        zeros = np.int64(0)
        while True:
            if pos >= end:
                return -1
            if pos & 7 == 0 and payload[pos >> 3] == 0:
                zeros += 8
                pos += 8
                continue
            bit = (payload[pos >> 3] >> (7 - (pos & 7))) & 1
            pos += 1
            if bit:
                break
            zeros += 1
        if pos + k > end:
            return -1
        value, need = zeros, k
        while need > 0:
            room = 8 - (pos & 7)
            take = min(room, need)
            chunk = (np.int64(payload[pos >> 3]) >> (room - take)) & ((1 << take) - 1)
            value = (value << take) | chunk
            pos += take
            need -= take
        out[i] = (value >> 1) ^ -(value & 1)
    return (pos + 7) >> 3


@jit
def _restore(s: np.ndarray, coeffs: np.ndarray, order: int) -> None:
    """Restore the bias, then synthesise by linear prediction, in place (spec 5.1, 5.2)."""
    running = np.int64(0)
    for i in range(s.size):
        s[i] += running >> BIAS_SHIFT
        running += s[i]
        if i >= BIAS_TAPS:
            running -= s[i - BIAS_TAPS]
    if order == 0:
        return
    for i in range(s.size):
        taps = min(order, i)
        past = s[i - taps : i]
        acc = np.int64(0)
        for k in range(taps):
            acc += coeffs[k] * past[taps - 1 - k]
        s[i] += acc >> Q_BITS


@jit
def decode_channel(
    meta: np.ndarray, mpos: int, payload: np.ndarray, ppos: int, depth: int, out: np.ndarray
) -> tuple[int, int, int]:
    """Decode one channel into ``out``; (status, new meta position, new payload position)."""
    lengths = band_lengths(out.size, depth)
    coeffs = np.zeros(255, np.int64)
    approx = np.empty(0, np.int64)
    for band in range(depth + 1):
        if mpos >= meta.size or ppos + 3 > payload.size:
            return SHORT, mpos, ppos
        order: Any = np.int64(meta[mpos])
        if order > MAX_ORDER:
            return BAD_ORDER, mpos, ppos
        if mpos + 1 + 4 * order > meta.size:
            return SHORT, mpos, ppos
        for tap in range(order):
            at = mpos + 1 + 4 * tap
            word = np.int64(0)
            for byte in range(4):
                word |= np.int64(meta[at + byte]) << (8 * byte)
            coeffs[tap] = word - ((word >> 31) << 32)
        mpos += 1 + 4 * order
        k: Any = np.int64(payload[ppos])
        if k > MAX_RICE:
            return BAD_RICE, mpos, ppos
        if np.int64(payload[ppos + 1]) + 256 * np.int64(payload[ppos + 2]) != lengths[band]:
            return BAD_COUNT, mpos, ppos
        s = np.empty(lengths[band], np.int64)
        ppos = _read_codes(payload, ppos + 3, k, s)
        if ppos < 0:
            return SHORT, mpos, ppos
        _restore(s, coeffs, order)
        if band == 0:
            approx = s
        else:
            x = np.empty(approx.size + s.size, np.int64)
            unlift(approx, s, x)
            approx = x
    for i in range(out.size):  # compiles faster than a slice assignment
        out[i] = approx[i]
    return OK, mpos, ppos
