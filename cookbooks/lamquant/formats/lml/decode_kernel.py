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
    LEFT_OVER,
    MAX_ORDER,
    MAX_RICE,
    OK,
    Q_BITS,
    SHORT,
    jit,
    leading_zeros,
)

PAD = MAX_ORDER + 4
"""Zeros in front of a subband, the empty history of spec 4.3, in whole passes."""


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
    n_approx, n_detail = approx.size, detail.size
    if n_detail == 0:
        for i in range(n_approx):
            x[i] = approx[i]
        return
    left = detail[0]
    even = approx[0] - ((left + left + 2) >> 2)
    for i in range(n_detail - 1):
        right = detail[i + 1]
        following = approx[i + 1] - ((left + right + 2) >> 2)
        x[2 * i] = even
        x[2 * i + 1] = left + ((even + following) >> 1)
        left, even = right, following
    last = 2 * n_detail - 2
    x[last] = even
    following = even
    if n_approx > n_detail:
        following = approx[n_detail] - ((left + left + 2) >> 2)
        x[last + 2] = following
    x[last + 1] = left + ((even + following) >> 1)


@jit
def _read_band(
    payload: np.ndarray, ppos: int, k: int, coeffs: np.ndarray, order: int, padded: np.ndarray
) -> int:
    """Read the samples of one subband behind PAD zeros: Golomb-Rice, running mean, prediction (spec 5).

    All in one pass, since each waits for its own last result and not for the others'. ``coeffs`` is zero
    behind ``order``. Returns the new position, or -1 past the end.
    """
    end = payload.size
    acc: Any = np.uint64(0)
    held: Any = np.int64(0)  # the next `held` bits of the payload in the highest places of `acc`
    below, zero, one = np.uint64(63 - k), np.uint64(0), np.uint64(1)
    recent = np.zeros(BIAS_TAPS, np.int64)
    running = s0 = s1 = s2 = s3 = np.int64(0)
    c0, c1, c2, c3 = coeffs[0], coeffs[1], coeffs[2], coeffs[3]
    for i in range(padded.size - PAD):
        zeros = np.int64(0)
        while True:
            if held < 32:
                if ppos + 4 <= end:
                    word = (
                        (np.uint64(payload[np.uint64(ppos)]) << np.uint64(24))
                        | (np.uint64(payload[np.uint64(ppos + 1)]) << np.uint64(16))
                        | (np.uint64(payload[np.uint64(ppos + 2)]) << np.uint64(8))
                        | np.uint64(payload[np.uint64(ppos + 3)])
                    )
                    acc |= word << np.uint64(32 - held)
                    ppos += 4
                    held += 32
                while held < 32 and ppos < end:  # the last bytes
                    acc |= np.uint64(payload[np.uint64(ppos)]) << np.uint64(56 - held)
                    ppos += 1
                    held += 8
            if acc != zero:
                break
            if ppos >= end:
                return -1
            zeros += held
            held = np.int64(0)
        ahead = np.int64(leading_zeros(acc))
        if held < ahead + 1 + k:
            if held < ahead + 1:
                return -1
            acc = (acc << np.uint64(ahead)) << one
            held -= ahead + 1
            while held < k and ppos < end:
                acc |= np.uint64(payload[np.uint64(ppos)]) << np.uint64(56 - held)
                ppos += 1
                held += 8
            if held < k:
                return -1
            low = np.int64((acc >> one) >> below)
            acc <<= np.uint64(k)
            held -= k
        else:
            low = np.int64((((acc << np.uint64(ahead)) << one) >> one) >> below)
            acc = (acc << np.uint64(ahead)) << np.uint64(k + 1)
            held -= ahead + 1 + k
        value = ((zeros + ahead) << k) | low
        residual = ((value >> 1) ^ -(value & 1)) + (running >> BIAS_SHIFT)
        slot = np.uint64(i & (BIAS_TAPS - 1))
        running += residual - recent[slot]
        recent[slot] = residual
        predicted = c1 * s1 + c2 * s2 + c3 * s3
        for tap in range(4, order, 4):
            past = PAD + i - 1 - tap  # unsigned, or each index would be asked whether it counts from the end
            predicted += (
                coeffs[np.uint64(tap)] * padded[np.uint64(past)]
                + coeffs[np.uint64(tap + 1)] * padded[np.uint64(past - 1)]
                + coeffs[np.uint64(tap + 2)] * padded[np.uint64(past - 2)]
                + coeffs[np.uint64(tap + 3)] * padded[np.uint64(past - 3)]
            )
        s3, s2, s1, s0 = s2, s1, s0, residual + ((predicted + c0 * s0) >> Q_BITS)
        padded[np.uint64(PAD + i)] = s0
    return ppos - (held >> 3)


@jit
def decode_channel(
    meta: np.ndarray, mpos: int, payload: np.ndarray, ppos: int, depth: int, out: np.ndarray
) -> tuple[int, int, int]:
    """Decode one channel into ``out``; (status, new meta position, new payload position)."""
    lengths = band_lengths(out.size, depth)
    coeffs = np.zeros(MAX_ORDER + 4, np.int64)
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
        coeffs[order : order + 4] = 0
        mpos += 1 + 4 * order
        k: Any = np.int64(payload[ppos])
        if k > MAX_RICE:
            return BAD_RICE, mpos, ppos
        if np.int64(payload[ppos + 1]) + 256 * np.int64(payload[ppos + 2]) != lengths[band]:
            return BAD_COUNT, mpos, ppos
        padded = np.empty(PAD + lengths[band], np.int64)
        padded[:PAD] = 0
        s = padded[PAD:]
        ppos = _read_band(payload, ppos + 3, k, coeffs, order, padded)
        if ppos < 0:
            return SHORT, mpos, ppos
        if band == 0:
            approx = s
        else:
            x = np.empty(approx.size + s.size, np.int64) if band < depth else out
            unlift(approx, s, x)
            approx = x
    if depth == 0:
        for i in range(out.size):  # compiles faster than a slice assignment
            out[i] = approx[i]
    return OK, mpos, ppos


@jit
def decode_channels(meta: np.ndarray, payload: np.ndarray, depth: int, out: np.ndarray) -> int:
    """Decode all channels into ``out`` [channels, samples]; returns a status."""
    mpos = ppos = 0
    for row in range(out.shape[0]):
        status, mpos, ppos = decode_channel(meta, mpos, payload, ppos, depth, out[row])
        if status != OK:
            return status
    return OK if mpos == meta.size and ppos == payload.size else LEFT_OVER


@jit
def differing_channel(meta: np.ndarray, payload: np.ndarray, depth: int, signal: np.ndarray) -> int:
    """Returns the first channel that does not decode to its row of ``signal``, or -1."""
    row, mpos, ppos = np.empty(signal.shape[1], np.int64), 0, 0
    for channel in range(signal.shape[0]):
        status, mpos, ppos = decode_channel(meta, mpos, payload, ppos, depth, row)
        wrong = np.int64(status)
        for i in range(row.size):
            wrong |= row[i] ^ signal[channel, i]
        if wrong != 0:
            return channel
    return -1 if mpos == meta.size and ppos == payload.size else signal.shape[0]
