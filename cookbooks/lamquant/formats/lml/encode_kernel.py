"""Encodes one LML1 channel, compiled: 5/3 lifting, predictor search, bias, Golomb-Rice.

Signal arithmetic is int64. float64 serves only to choose predictors, so a last-digit difference between
machines can change the size of a file, never what it decodes to.
"""

from typing import Any

import numpy as np

from cookbooks.lamquant.formats.lml.kernel import BIAS_SHIFT, BIAS_TAPS, MAX_ORDER, MAX_RICE, Q_BITS, jit

RAW = 1  # analysis windows, a bit set
WELCH = 2
PAD = 36  # zeros in front of a band; at least MAX_ORDER, rounded up to whole passes, plus one
_SIDE_BITS = 32  # per subband: order byte, k byte, u16 count


@jit
def lift(x: np.ndarray, approx: np.ndarray, detail: np.ndarray) -> None:
    """Apply one level of the reversible Le Gall 5/3 transform with symmetric extension (spec 4.2)."""
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
def pyramid(x: np.ndarray, deepest: int) -> np.ndarray:
    """Compute all subbands of all depths, one after the other:
    x, approximation 1, detail 1, approximation 2, ...
    """
    out = np.empty(3 * x.size + deepest, np.int64)
    for i in range(x.size):
        out[i] = x[i]
    start, n, end = 0, x.size, x.size
    for _ in range(deepest):
        n_detail = n // 2
        middle = end + n - n_detail
        lift(out[start : start + n], out[end:middle], out[middle : middle + n_detail])
        start, n, end = end, n - n_detail, middle + n_detail
    return out


@jit
def _residual(padded: np.ndarray, coeffs: np.ndarray, order: int, out: np.ndarray) -> None:
    """Compute the prediction residual of int32 samples behind PAD zeros, the empty history of spec 4.3.

    Four taps a pass over int32 operands: vector units have that multiply.
    """
    n = out.size
    here = padded[PAD:]
    for j in range(n):
        out[j] = 0
    for k in range(0, order, 4):
        past = padded[PAD - 4 - k :]
        c0, c1 = np.int64(coeffs[k]), np.int64(coeffs[k + 1])
        c2, c3 = np.int64(coeffs[k + 2]), np.int64(coeffs[k + 3])
        for j in range(n):
            out[j] += c0 * past[j + 3] + c1 * past[j + 2] + c2 * past[j + 1] + c3 * past[j]
    for j in range(n):
        out[j] = here[j] - (out[j] >> Q_BITS)


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
    """Returns the best Golomb-Rice parameter and its cost in bits, by descent from the mean's logarithm.

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
    """Compute the whole band's autocorrelation: as it is (RAW) or mean-free under a Welch window (WELCH)."""
    n = s.size
    x = np.zeros(n + lags + 8, np.float64)  # zeros in front stand for the samples before the band
    y = x[lags + 8 :]
    mean, bend = 0.0, 0.0
    if window == WELCH:
        bend = 1.0
        for i in range(n):
            mean += s[i]
        mean /= n
    for i in range(n):
        u = (2.0 * i + 1.0 - n) / n
        y[i] = (s[i] - mean) * (1.0 - bend * u * u)
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
    """Compute predictors of every order in ``table[p]``, error energies;
    returns the highest order reached.
    """
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
    """Returns Q27 coefficients, zero behind ``order``; False when one leaves int32 or a prediction int64."""
    for k in range(out.size):
        out[k] = 0
    reach = 0.0
    for k in range(order):
        value = np.floor(predictor[k] * (1 << Q_BITS) + 0.5)
        if not abs(value) < 2147483648.0:
            return False
        out[k] = np.int32(value)
        reach += abs(value) * peak
    return reach < 4.0e18


@jit
def _shortlist(error: np.ndarray, reached: int, n: int, picks: np.ndarray) -> int:
    """Find orders worth an exact count:
    the lowest estimated lengths n/2 log2(error) + 32 bits a coefficient.
    """
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
def _copy(source: np.ndarray, out: np.ndarray) -> None:
    for i in range(source.size):  # compiles much faster than a slice assignment
        out[i] = source[i]


@jit
def _pad(s: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns the band as int32 behind PAD zeros (wrapped where it leaves int32),
    and its largest magnitude.
    """
    padded = np.zeros(PAD + s.size, np.int32)
    low = high = np.int64(0)
    for i in range(s.size):
        low, high = min(low, s[i]), max(high, s[i])
        padded[PAD + i] = np.int32(s[i])
    return padded, max(-float(low), float(high))


@jit
def choose(s: np.ndarray, windows: int, max_order: int, trials: int, coeffs: np.ndarray) -> tuple[int, int]:
    """Returns the predictor with the smallest exact coded size: (order, bits incl. its side information).

    ``windows`` is a set of RAW and WELCH; ``coeffs`` [MAX_ORDER] receives the Q27 coefficients. Order 0 is
    always a candidate, and the only one for a band that leaves int32.
    """
    n = s.size
    limit = min(max_order, n - 1)
    padded, peak = _pad(s)
    residual, codes = np.empty(n, np.int64), np.empty(n, np.uint64)
    r, error, table = np.empty(limit + 1), np.empty(limit + 1), np.empty((limit + 1, limit + 1))
    trial, picks = np.empty(MAX_ORDER, np.int32), np.zeros(trials, np.int64)
    best: Any = np.int64(1) << 62
    best_order = 0
    for window in (0, WELCH, RAW):
        count = 1
        if window != 0:
            # a band that varies little cannot pay for a coefficient
            if windows & window == 0 or limit < 1 or best < n + 64 or peak >= 2147483647.0:
                continue
            _autocorrelation(s, window, limit, r)
            count = _shortlist(error, _levinson(r, limit, table, error), n, picks)
        for index in range(count):
            order = picks[index] if window != 0 else 0
            if order == 0:
                _copy(s, residual)
            elif _quantise(table[order], order, peak, trial):
                _residual(padded, trial, order, residual)
            else:
                continue
            _k, bits = _rice(codes, _codes(residual, codes))
            bits = ((bits + 7) >> 3 << 3) + _SIDE_BITS + 32 * order
            if bits < best:
                best, best_order = bits, order
                _copy(trial, coeffs)
    return best_order, best


@jit
def _write_codes(codes: np.ndarray, k: int, payload: np.ndarray, ppos: int) -> int:
    """Write MSB-first Golomb-Rice: quotient zeros, a one, ``k`` low bits; zero padded to a byte."""
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
def write_band(s: np.ndarray, coeffs: np.ndarray, order: int, payload: np.ndarray, ppos: int) -> int:
    """Append one subband (k, count, codes) to ``payload`` at ``ppos``; return the new position.

    A band with ``order`` > 0 fits int32, as :func:`choose` guarantees.
    """
    n = s.size
    residual, codes = np.empty(n, np.int64), np.empty(n, np.uint64)
    if order > 0:
        padded, _peak = _pad(s)
        _residual(padded, coeffs, order, residual)
    else:
        _copy(s, residual)
    k, _bits = _rice(codes, _codes(residual, codes))
    payload[ppos], payload[ppos + 1], payload[ppos + 2] = k, n & 255, n >> 8
    return _write_codes(codes, k, payload, ppos + 3)
