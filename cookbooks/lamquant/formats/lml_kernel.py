"""Compiled integer kernels of LML1: lifting, linear prediction, bias, Golomb-Rice.

One call handles one channel of one window. All signal arithmetic is int64; float64 is used only to
choose predictors, so a last-digit difference between machines can change the size of a file but never
what it decodes to. No fast-math, no threads. This is the only module that imports numba.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numba import njit

OK = 0
SHORT = 1  # meta or payload ends early
BAD_ORDER = 2
BAD_RICE = 3
BAD_COUNT = 4  # a subband announces another length than the lifting gives

BIAS_TAPS = 32  # running-mean context of the bias stage (spec 4.4)
Q_BITS = 27  # fixed point of the prediction coefficients
MAX_ORDER = 32
MAX_RICE = 31
RICE_HEADER_BITS = 24  # u8 k, u16 count

_F = TypeVar("_F", bound=Callable[..., Any])


def _jit(function: _F) -> _F:
    """Compile lazily, with the on-disk cache when some cache directory is writable."""
    try:
        return njit(cache=True, nogil=True)(function)
    except RuntimeError:  # numba found no place for its cache
        return njit(nogil=True)(function)


@_jit
def band_lengths(n_samples: int, depth: int) -> np.ndarray:
    """Subband lengths in wire order: deepest approximation, then details from deep to shallow."""
    lengths = np.empty(depth + 1, np.int64)
    n = n_samples
    for level in range(depth):
        lengths[depth - level] = n // 2
        n -= n // 2
    lengths[0] = n
    return lengths


@_jit
def lift(x: np.ndarray, approx: np.ndarray, detail: np.ndarray) -> None:
    """One level of the reversible Le Gall 5/3 transform with symmetric extension (spec 4.2)."""
    n, n_approx, n_detail = x.size, approx.size, detail.size
    for i in range(n_detail):
        right = x[2 * i + 2] if 2 * i + 2 < n else x[2 * i]
        detail[i] = x[2 * i + 1] - ((x[2 * i] + right) >> 1)
    for i in range(n_approx):
        if n_detail == 0:
            approx[i] = x[i]
            continue
        left = detail[i - 1] if i > 0 else detail[0]
        right = detail[i] if i < n_detail else detail[n_detail - 1]
        approx[i] = x[2 * i] + ((left + right + 2) >> 2)


@_jit
def unlift(approx: np.ndarray, detail: np.ndarray, x: np.ndarray) -> None:
    """Exact inverse of :func:`lift`."""
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


@_jit
def _residual(s: np.ndarray, coeffs: np.ndarray, order: int, out: np.ndarray) -> None:
    """Prediction residual; the history before the first sample is empty (spec 4.3)."""
    for i in range(min(order, s.size)):
        acc = 0
        for k in range(i):
            acc += coeffs[k] * s[i - 1 - k]
        out[i] = s[i] - (acc >> Q_BITS)
    for i in range(order, s.size):
        acc = 0
        for k in range(order):
            acc += coeffs[k] * s[i - 1 - k]
        out[i] = s[i] - (acc >> Q_BITS)


@_jit
def _codes(residual: np.ndarray, out: np.ndarray) -> int:
    """Subtract the running mean of the last 32 residuals (floored), zigzag; return the sum of codes."""
    history = np.zeros(BIAS_TAPS, np.int64)
    running = 0
    total = 0
    for i in range(residual.size):
        value = residual[i]
        coded = value - (running >> 5)
        slot = i & (BIAS_TAPS - 1)
        running += value - history[slot]
        history[slot] = value
        out[i] = (coded << 1) ^ (coded >> 63)
        total += out[i]
    return total


@_jit
def _rice(codes: np.ndarray, total: int) -> tuple[int, int]:
    """Best Golomb-Rice parameter and its cost in bits, by descent from the mean's logarithm."""
    n = codes.size
    k = 0
    while k < MAX_RICE and (n << (k + 1)) <= total:
        k += 1
    best = np.int64(1) << 62
    best_k = k
    for step in (-1, 1):
        trial = k if step < 0 else k + 1
        while 0 <= trial <= MAX_RICE:
            bits = n * (trial + 1)
            for i in range(n):
                bits += codes[i] >> trial
            if bits >= best:
                break
            best, best_k = bits, trial
            trial += step
    return best_k, best


@_jit
def _autocorrelation(s: np.ndarray, centre: bool, lags: int, out: np.ndarray) -> None:
    """Autocorrelation of the whole band, optionally mean-free under a Welch window."""
    n = s.size
    x = np.zeros(n + lags, np.float64)  # zeros in front stand for the samples before the band
    mean = 0.0
    if centre:
        for i in range(n):
            mean += s[i]
        mean /= n
    for i in range(n):
        weight = 1.0
        if centre:
            u = (2.0 * i + 1.0 - n) / n
            weight = 1.0 - u * u
        x[lags + i] = (s[i] - mean) * weight
    for lag in range(lags + 1):
        out[lag] = 0.0
    for i in range(lags, n + lags):
        for lag in range(lags + 1):
            out[lag] += x[i] * x[i - lag]


@_jit
def _levinson(r: np.ndarray, max_order: int, table: np.ndarray, error: np.ndarray) -> int:
    """Levinson-Durbin: predictors of every order in ``table[p]``, error energies; highest order reached."""
    error[0] = r[0]
    for p in range(max_order):
        if error[p] <= 1e-12 * r[0] or error[p] <= 1e-12:
            return p
        acc = r[p + 1]
        for j in range(p):
            acc -= table[p, j] * r[p - j]
        reflection = acc / error[p]
        for j in range(p):
            table[p + 1, j] = table[p, j] - reflection * table[p, p - 1 - j]
        table[p + 1, p] = reflection
        error[p + 1] = error[p] * (1.0 - reflection * reflection)
    return max_order


@_jit
def _quantise(predictor: np.ndarray, order: int, peak: float, out: np.ndarray) -> bool:
    """Q27 coefficients; False when one leaves int32 or a prediction could leave int64."""
    reach = 0.0
    for k in range(order):
        value = np.round(predictor[k] * (1 << Q_BITS))
        if not abs(value) < 2147483648.0:
            return False
        out[k] = np.int64(value)
        reach += abs(value) * peak
    return reach < 4.0e18


@_jit
def _shortlist(error: np.ndarray, reached: int, n: int, picks: np.ndarray) -> int:
    """Orders worth an exact count: the lowest estimated lengths n/2 log2(error) + 32 bits a coefficient."""
    count = 0
    used = np.zeros(reached + 1, np.bool_)
    for _ in range(picks.size):
        best, order = np.inf, -1
        for p in range(1, reached + 1):
            estimate = 0.5 * n * np.log2(max(error[p], 1e-300)) + 32.0 * p
            if not used[p] and estimate < best:
                best, order = estimate, p
        if order < 0:
            break
        used[order] = True
        picks[count] = order
        count += 1
    return count


@_jit
def choose(s: np.ndarray, max_order: int, trials: int, coeffs: np.ndarray) -> tuple[int, int]:
    """Predictor with the smallest exact coded size: (order, bits incl. its side information).

    ``coeffs`` receives the Q27 coefficients. Order 0 is always a candidate.
    """
    n = s.size
    residual, codes = np.empty(n, np.int64), np.empty(n, np.int64)
    _k, bits = _rice(codes, _codes(s, codes))
    best, best_order = ((bits + 7) >> 3 << 3) + 8, 0
    limit = min(max_order, n - 1)
    if limit < 1 or best < 8 + n + 32:  # nothing a predictor could save
        return best_order, best + RICE_HEADER_BITS
    peak = 0.0
    for i in range(n):
        peak = max(peak, abs(float(s[i])))
    r, error = np.empty(limit + 1), np.empty(limit + 1)
    trial_coeffs, picks = np.empty(limit, np.int64), np.empty(trials, np.int64)
    for centre in (True, False):
        table = np.zeros((limit + 1, limit))
        _autocorrelation(s, centre, limit, r)
        reached = _levinson(r, limit, table, error)
        for index in range(_shortlist(error, reached, n, picks)):
            order = picks[index]
            if not _quantise(table[order], order, peak, trial_coeffs):
                continue
            _residual(s, trial_coeffs, order, residual)
            _k, bits = _rice(codes, _codes(residual, codes))
            bits = ((bits + 7) >> 3 << 3) + 8 + 32 * order
            if bits < best:
                best, best_order = bits, order
                coeffs[:order] = trial_coeffs[:order]
    return best_order, best + RICE_HEADER_BITS


@_jit
def _write_band(
    s: np.ndarray, coeffs: np.ndarray, order: int, meta: np.ndarray, mpos: int, payload: np.ndarray, ppos: int
) -> tuple[int, int]:
    """Write one subband; return the new positions."""
    meta[mpos] = order
    mpos += 1
    for k in range(order):
        for byte in range(4):
            meta[mpos] = (coeffs[k] >> (8 * byte)) & 255
            mpos += 1
    n = s.size
    residual, codes = np.empty(n, np.int64), np.empty(n, np.int64)
    _residual(s, coeffs, order, residual)
    k, _bits = _rice(codes, _codes(residual, codes))
    payload[ppos], payload[ppos + 1], payload[ppos + 2] = k, n & 255, n >> 8
    ppos += 3
    acc, held = np.int64(0), 0  # held bits in the low end of acc, always fewer than 8 between codes
    for i in range(n):
        zeros = codes[i] >> k
        while zeros > 0:
            take = min(zeros, 8 - held)
            acc <<= take
            held += take
            zeros -= take
            if held == 8:
                payload[ppos] = acc & 255
                ppos += 1
                acc, held = np.int64(0), 0
        acc = (acc << (k + 1)) | (np.int64(1) << k) | (codes[i] & ((np.int64(1) << k) - 1))
        held += k + 1
        while held >= 8:
            held -= 8
            payload[ppos] = (acc >> held) & 255
            ppos += 1
        acc &= (np.int64(1) << held) - 1
    if held:
        payload[ppos] = (acc << (8 - held)) & 255
        ppos += 1
    return mpos, ppos


@_jit
def analyse(x: np.ndarray, max_depth: int, min_depth: int, max_order: int, trials: int) -> np.ndarray:
    """Exact coded bits of the channel at each lifting depth up to ``max_depth`` (-1 where not asked)."""
    result = np.full(max_depth + 1, -1, np.int64)
    scratch = np.empty(MAX_ORDER, np.int64)
    approx = x
    details = 0
    for depth in range(max_depth + 1):
        if depth >= min_depth:
            result[depth] = details + choose(approx, max_order, trials, scratch)[1]
        if depth < max_depth:
            n_detail = approx.size // 2
            low = np.empty(approx.size - n_detail, np.int64)
            high = np.empty(n_detail, np.int64)
            lift(approx, low, high)
            details += choose(high, max_order, trials, scratch)[1]
            approx = low
    return result


@_jit
def encode_channel(
    x: np.ndarray, depth: int, max_order: int, trials: int, meta: np.ndarray, payload: np.ndarray
) -> tuple[int, int]:
    """Code one channel into the two buffers; return the bytes used of each."""
    lengths = band_lengths(x.size, depth)
    bands = np.empty(x.size, np.int64)
    approx, end = x, x.size
    for level in range(depth):
        n_detail = lengths[depth - level]
        low = np.empty(approx.size - n_detail, np.int64)
        lift(approx, low, bands[end - n_detail : end])
        approx, end = low, end - n_detail
    bands[:end] = approx
    coeffs = np.zeros(MAX_ORDER, np.int64)
    mpos = ppos = start = 0
    for band in range(depth + 1):
        s = bands[start : start + lengths[band]]
        order = choose(s, max_order, trials, coeffs)[0]
        mpos, ppos = _write_band(s, coeffs, order, meta, mpos, payload, ppos)
        start += lengths[band]
    return mpos, ppos


@_jit
def _read_codes(payload: np.ndarray, ppos: int, k: int, out: np.ndarray) -> int:
    """Golomb-Rice values of one subband, unzigzagged; the new position, or -1 past the end."""
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


@_jit
def _restore(s: np.ndarray, coeffs: np.ndarray, order: int) -> None:
    """Bias restoration, then linear-prediction synthesis, in place (spec 5.1, 5.2)."""
    history = np.zeros(BIAS_TAPS, np.int64)
    running = 0
    for i in range(s.size):
        value = s[i] + (running >> 5)
        slot = i & (BIAS_TAPS - 1)
        running += value - history[slot]
        history[slot] = value
        acc = 0
        for k in range(min(order, i)):
            acc += coeffs[k] * s[i - 1 - k]
        s[i] = value + (acc >> Q_BITS)


@_jit
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
        order = np.int64(meta[mpos])
        if order > MAX_ORDER:
            return BAD_ORDER, mpos, ppos
        if mpos + 1 + 4 * order > meta.size:
            return SHORT, mpos, ppos
        for k in range(order):
            at = mpos + 1 + 4 * k
            word = np.int64(0)
            for byte in range(4):
                word |= np.int64(meta[at + byte]) << (8 * byte)
            coeffs[k] = word - ((word >> 31) << 32)
        mpos += 1 + 4 * order
        k = np.int64(payload[ppos])
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
    out[:] = approx
    return OK, mpos, ppos
