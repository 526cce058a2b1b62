"""Compiled encoder of one LML1 channel: 5/3 lifting, predictor search, bias, Golomb-Rice.

Signal arithmetic is int64. float64 serves only to choose predictors, so a last-digit difference between
machines can change the size of a file, never what it decodes to.
"""

from typing import Any

import numpy as np

from cookbooks.lamquant.formats.lml_kernel import BIAS_SHIFT, BIAS_TAPS, MAX_RICE, Q_BITS, jit

RAW = 1  # analysis windows, a bit set
WELCH = 2
UNLIFTED = WELCH  # the signal itself gains nothing from RAW
LIFTED = RAW | WELCH
_SIDE_BITS = 32  # per subband: order byte, k byte, u16 count


@jit
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


@jit
def _residual(s: np.ndarray, coeffs: np.ndarray, order: int, out: np.ndarray) -> None:
    """Prediction residual; the history before the first sample is empty (spec 4.3).

    ``s`` and ``coeffs`` are int32 and four taps are summed a pass, which vector units can multiply.
    """
    n = s.size
    for i in range(min(order, n)):
        early = np.int64(0)
        for k in range(i):
            early += np.int64(coeffs[k]) * np.int64(s[i - 1 - k])
        out[i] = np.int64(s[i]) - (early >> Q_BITS)
    m = n - order
    acc, here = out[order:], s[order:]
    for j in range(m):
        acc[j] = 0
    taps = np.zeros(MAX_ORDER + 3, np.int32)
    taps[:order] = coeffs[:order]
    for k in range(0, order, 4):
        shift = min(k + 4, order)  # the last pass may reach only part of its taps: align them to the end
        past = s[order - shift :]
        c0, c1 = np.int64(taps[shift - 1]), np.int64(taps[shift - 2])
        c2, c3 = np.int64(taps[shift - 3]), np.int64(taps[shift - 4])
        width = shift - k
        if width == 4:
            for j in range(m):
                acc[j] += c0 * past[j] + c1 * past[j + 1] + c2 * past[j + 2] + c3 * past[j + 3]
        else:
            for tap in range(width):
                c0, part = np.int64(taps[shift - 1 - tap]), past[tap:]
                for j in range(m):
                    acc[j] += c0 * part[j]
    for j in range(m):
        acc[j] = here[j] - (acc[j] >> Q_BITS)


@jit
def _codes(residual: np.ndarray, out: np.ndarray) -> int:
    """Subtract the running mean of the last 32 residuals (floored), zigzag; return the sum of codes."""
    running = np.int64(0)
    total: Any = np.int64(0)
    n = residual.size
    for i in range(min(n, BIAS_TAPS)):
        value = np.int64(residual[i])
        coded = value - (running >> BIAS_SHIFT)
        running += value
        code = (coded << 1) ^ (coded >> 63)
        out[i] = code
        total += code
    late, early, target = residual[BIAS_TAPS:], residual, out[BIAS_TAPS:]
    for i in range(n - BIAS_TAPS):
        value = np.int64(late[i])
        coded = value - (running >> BIAS_SHIFT)
        running += value - early[i]
        code = (coded << 1) ^ (coded >> 63)
        target[i] = code
        total += code
    return total


@jit
def _rice(codes: np.ndarray, total: int) -> tuple[int, int]:
    """Best Golomb-Rice parameter and its cost in bits, by descent from the mean's logarithm.

    ``codes`` is unsigned: logical shifts are what vector units offer for 64-bit lanes.
    """
    n = codes.size
    k = 0
    while k < MAX_RICE and (n << (k + 1)) <= total:
        k += 1
    best: Any = np.int64(1) << 62
    best_k = k
    for step in (-1, 1):
        trial = k if step < 0 else k + 1
        while 0 <= trial <= MAX_RICE:
            shift, quotients = np.uint64(trial), np.uint64(0)
            for i in range(n):
                quotients += codes[i] >> shift
            bits = n * (trial + 1) + np.int64(quotients)
            if bits >= best:
                break
            best, best_k = bits, trial
            trial += step
    return best_k, best


@jit
def _autocorrelation(s: np.ndarray, window: int, lags: int, out: np.ndarray) -> None:
    """Autocorrelation of the whole band: as it is (RAW) or mean-free under a Welch window (WELCH)."""
    n = s.size
    x = np.zeros(n + lags + 8, np.float64)  # zeros in front stand for the samples before the band
    y = x[lags + 8 :]
    mean = 0.0
    if window == WELCH:
        for i in range(n):
            mean += s[i]
        mean /= n
        for i in range(n):
            u = (2.0 * i + 1.0 - n) / n
            y[i] = (s[i] - mean) * (1.0 - u * u)
    else:
        for i in range(n):
            y[i] = s[i]
    for lag in range(0, lags + 1, 6):  # six independent sums at a time
        z = x[lags + 8 - lag - 5 :]
        r0 = r1 = r2 = r3 = r4 = r5 = 0.0
        for i in range(n):
            v = y[i]
            r0 += v * z[i + 5]
            r1 += v * z[i + 4]
            r2 += v * z[i + 3]
            r3 += v * z[i + 2]
            r4 += v * z[i + 1]
            r5 += v * z[i]
        for j, value in enumerate((r0, r1, r2, r3, r4, r5)):
            if lag + j <= lags:
                out[lag + j] = value


@jit
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


@jit
def _quantise(predictor: np.ndarray, order: int, peak: float, out: np.ndarray) -> bool:
    """Q27 coefficients; False when one leaves int32 or a prediction could leave int64."""
    reach = 0.0
    for k in range(order):
        value = np.round(predictor[k] * (1 << Q_BITS))
        if not abs(value) < 2147483648.0:
            return False
        out[k] = np.int32(value)
        reach += abs(value) * peak
    return reach < 4.0e18


@jit
def _shortlist(error: np.ndarray, reached: int, n: int, picks: np.ndarray) -> int:
    """Orders worth an exact count: the lowest estimated lengths n/2 log2(error) + 32 bits a coefficient."""
    estimate = np.empty(reached + 1)
    for p in range(1, reached + 1):
        estimate[p] = 0.5 * n * np.log2(max(error[p], 1e-300)) + 32.0 * p
    count = min(picks.size, reached)
    for index in range(count):
        order = 1
        for p in range(2, reached + 1):
            if estimate[p] < estimate[order]:
                order = p
        estimate[order] = np.inf
        picks[index] = order
    return count


@jit
def choose(s: np.ndarray, windows: int, max_order: int, trials: int, coeffs: np.ndarray) -> tuple[int, int]:
    """Predictor with the smallest exact coded size: (order, bits incl. its side information).

    ``windows`` is a set of RAW and WELCH; ``coeffs`` receives the Q27 coefficients. Order 0 is always a
    candidate, and the only one for a band that leaves int32.
    """
    n = s.size
    limit = min(max_order, n - 1)
    peak = max(-float(s.min()), float(s.max()))
    narrow = s.astype(np.int32)
    residual, codes = np.empty(n, np.int64), np.empty(n, np.uint64)
    r, error = np.empty(limit + 1), np.empty(limit + 1)
    table = np.empty((limit + 1, limit + 1))
    trial, picks = np.empty(limit + 1, np.int32), np.zeros(trials, np.int64)
    best: Any = np.int64(1) << 62
    best_order = 0
    for window in (0, WELCH, RAW):
        count = 1
        if window:
            # a band of small change cannot pay for a coefficient
            if not windows & window or limit < 1 or best < n + 64 or peak >= 2147483647.0:
                continue
            _autocorrelation(narrow, window, limit, r)
            reached = _levinson(r, limit, table, error)
            count = _shortlist(error, reached, n, picks)
        for index in range(count):
            order = picks[index] if window else 0
            if order == 0:
                residual[:] = s
            elif _quantise(table[order], order, peak, trial):
                _residual(narrow, trial, order, residual)
            else:
                continue
            _k, bits = _rice(codes, _codes(residual, codes))
            bits = ((bits + 7) >> 3 << 3) + _SIDE_BITS + 32 * order
            if bits < best:
                best, best_order = bits, order
                coeffs[:order] = trial[:order]
    return best_order, best


@jit
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
    residual, codes = np.empty(n, np.int64), np.empty(n, np.uint64)
    if order > 0:  # then the band fits int32
        _residual(s.astype(np.int32), coeffs, order, residual)
    else:
        residual[:] = s
    k, _bits = _rice(codes, _codes(residual, codes))
    payload[ppos], payload[ppos + 1], payload[ppos + 2] = k, n & 255, n >> 8
    return mpos, _write_codes(codes, k, payload, ppos + 3)


@jit
def _write_codes(codes: np.ndarray, k: int, payload: np.ndarray, ppos: int) -> int:
    """MSB-first Golomb-Rice: quotient zeros, a one, ``k`` low bits; zero padded to a byte."""
    acc, held = np.int64(0), np.int64(0)  # fewer than 8 bits are held between codes
    for i in range(codes.size):
        code = np.int64(codes[i])
        zeros = code >> k
        while held + zeros >= 8:
            payload[ppos] = (acc << (8 - held)) & 255
            ppos += 1
            zeros -= 8 - held
            acc, held = np.int64(0), np.int64(0)
        acc = (acc << (zeros + k + 1)) | (np.int64(1) << k) | (code & ((np.int64(1) << k) - 1))
        held += zeros + k + 1
        while held >= 8:
            held -= 8
            payload[ppos] = (acc >> held) & 255
            ppos += 1
        acc &= (np.int64(1) << held) - 1
    if held:
        payload[ppos] = (acc << (8 - held)) & 255
        ppos += 1
    return ppos


@jit
def analyse(
    x: np.ndarray, depths: np.ndarray, max_order: int, trials: int, orders: np.ndarray, coeffs: np.ndarray
) -> np.ndarray:
    """Choose predictors for every subband that a depth in ``depths`` (ascending) needs.

    Returns the exact coded bits of the channel per depth. ``orders`` [2, deepest+1] and ``coeffs``
    [2, deepest+1, 32] receive the predictors: row 0 of approximations, row 1 of details, by level.
    """
    bits = np.zeros(depths.size, np.int64)
    deepest = depths[-1]
    approx = x
    details = np.int64(0)
    index = 0
    for level in range(deepest + 1):
        high = approx
        for kind in (0, 1):
            if kind == 0 and depths[index] != level:
                continue
            if kind == 1:
                if level == 0:
                    continue
            windows = UNLIFTED if level == 0 else LIFTED
        if level < deepest:
            pass
    return bits


@jit
def encode_channel(
    x: np.ndarray, depth: int, orders: np.ndarray, coeffs: np.ndarray, meta: np.ndarray, payload: np.ndarray
) -> tuple[int, int]:
    """Code one channel with the predictors of :func:`analyse`; return the bytes used of each buffer."""
    bands = np.empty(x.size, np.int64)
    approx, end = x, x.size
    for _ in range(depth):  # details fill the buffer from its end, so that it ends up in wire order
        n_detail = approx.size // 2
        low = np.empty(approx.size - n_detail, np.int64)
        lift(approx, low, bands[end - n_detail : end])
        approx, end = low, end - n_detail
    bands[:end] = approx
    mpos, ppos = _write_band(bands[:end], coeffs[0, depth], orders[0, depth], meta, 0, payload, 0)
    for level in range(depth, 0, -1):
        length = (x.size + (1 << (level - 1)) - 1) >> (level - 1)  # of the approximation one level above
        s = bands[end : end + length // 2]
        mpos, ppos = _write_band(s, coeffs[1, level], orders[1, level], meta, mpos, payload, ppos)
        end += length // 2
    return mpos, ppos
