"""Cuts a frame into cosine coefficients in integers, as ``lq_transform.c`` does.

A frame of two blocks is windowed and folded to one; its DCT-IV is one complex FFT of half as many points
(``lapped.analyse`` says the same in doubles). Numbers have 32 bits and an exponent of the frame.
"""

import numpy as np

from cookbooks.lamquant.device.numbers import length
from cookbooks.lamquant.lqc.compiled import jit


@jit
def _rounded(v, shift):
    return (v + (1 << (shift - 1))) >> shift


@jit
def _fold(x, window, out, shift):
    hop = len(window)
    half = hop // 2
    for j in range(half):
        low, high = hop + half - 1 - j, hop + half + j
        out[j] = _rounded(-x[low] * window[half + j] - x[high] * window[half - 1 - j], shift)
        out[half + j] = _rounded(x[j] * window[j] - x[hop - 1 - j] * window[hop - 1 - j], shift)


@jit
def _fft(re, im, angles):
    half = len(re)
    bits = length(half) - 1
    for i in range(half):
        j = 0
        for b in range(bits):
            j |= (i >> b & 1) << (bits - 1 - b)
        if i < j:
            re[i], re[j] = re[j], re[i]
            im[i], im[j] = im[j], im[i]
    for stage in range(1, bits + 1):
        reach, halve = 1 << (stage - 1), 1 - stage % 2
        for first in range(0, half, 2 * reach):
            for j in range(reach):
                c, s = np.int64(angles[j << (bits - stage), 0]), np.int64(angles[j << (bits - stage), 1])
                a, b = first + j, first + j + reach
                x, y = _rounded(re[b] * c + im[b] * s, 30), _rounded(im[b] * c - re[b] * s, 30)
                re[b], im[b] = (re[a] - x + halve) >> halve, (im[a] - y + halve) >> halve
                re[a], im[a] = (re[a] + x + halve) >> halve, (im[a] + y + halve) >> halve


@jit
def transform(x, window, twiddles, angles, out):
    """Fill ``out`` int64 [hop] with the coefficients of samples x int64 [2 * hop], in units of 2**-exponent.

    Returns the exponent.
    """
    hop = len(window)
    reach = 0
    for i in range(2 * hop):
        reach |= abs(x[i])
    if reach == 0:
        out[:] = 0
        return 0
    exponent = min(15, 30 - length(reach) - (length(hop) + 2) // 2)
    _fold(x, window, out, 30 - exponent)
    re, im = np.empty(hop // 2, np.int64), np.empty(hop // 2, np.int64)
    for k in range(hop // 2):
        c, s = np.int64(twiddles[k, 0]), np.int64(twiddles[k, 1])
        a, b = out[2 * k], out[hop - 1 - 2 * k]
        re[k], im[k] = _rounded(a * c + b * s, 30), _rounded(b * c - a * s, 30)
    _fft(re, im, angles)
    for k in range(hop // 2):
        c, s = np.int64(twiddles[k, 0]), np.int64(twiddles[k, 1])
        out[2 * k] = _rounded(re[k] * c + im[k] * s, 30)
        out[hop - 1 - 2 * k] = -_rounded(im[k] * c - re[k] * s, 30)
    return exponent
