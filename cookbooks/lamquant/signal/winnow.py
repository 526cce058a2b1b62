"""Computes the landmarks of one channel, compiled; ``landmarks`` says what they are."""

import numpy as np

from cookbooks.lamquant.formats.lml.kernel import jit

WINDOW = 64
"""First differences under one hash."""
MIN_CHANGES = WINDOW // 8
"""A window in which the difference changes fewer times than this is flat or stuck at a rail."""

_BASE = 0x9E3779B97F4A7C15
_INVERSE = pow(_BASE, -1, 1 << 64)
_TOP = pow(_BASE, WINDOW - 1, 1 << 64)
_NOTHING = (1 << 64) - 1


@jit
def common_step(samples: np.ndarray, step: int) -> int:
    """Returns the greatest common divisor of ``step`` and of the first differences; 0 while all are 0."""
    for i in range(samples.size - 1):
        if step == 1:
            break
        a, b = abs(samples[i + 1] - samples[i]), step
        while b:
            a, b = b, a % b
        step = a
    return step


@jit
def hashes_of(samples: np.ndarray, step: int) -> np.ndarray:
    """Hash every window of differences of int64 ``[n]`` -> uint64 ``[n - WINDOW]``.

    Equal for a window and its negative; windows that move too seldom have the largest value.
    """
    n = samples.size - WINDOW
    out = np.empty(max(n, 0), np.uint64)
    if n <= 0:
        return out
    base, inverse, top = np.uint64(_BASE), np.uint64(_INVERSE), np.uint64(_TOP)
    differences = np.empty(samples.size - 1, np.int64)
    for i in range(samples.size - 1):
        differences[i] = samples[i + 1] - samples[i]
    if step > 1:
        for i in range(differences.size):
            differences[i] //= step
    hashed, changes = np.uint64(0), 0
    for i in range(WINDOW - 1, -1, -1):
        hashed = hashed * base + np.uint64(differences[i])
    for i in range(1, WINDOW):
        changes += differences[i] != differences[i - 1] and differences[i] != 0
    for i in range(n):
        mixed = min(hashed, np.uint64(0) - hashed)
        # the finaliser of SplitMix64 (Steele, Lea & Flood 2014) spreads the high bits over the order
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed = mixed ^ (mixed >> np.uint64(31))
        out[i] = mixed if changes >= MIN_CHANGES else np.uint64(_NOTHING)
        if i + 1 < n:
            leaving, coming = differences[i], differences[i + WINDOW]
            hashed = (hashed - np.uint64(leaving)) * inverse + np.uint64(coming) * top
            changes += coming != differences[i + WINDOW - 1] and coming != 0
            changes -= differences[i + 1] != leaving and differences[i + 1] != 0
    return out


@jit
def chosen(hashes: np.ndarray, size: int) -> np.ndarray:
    """Returns the positions of the smallest hash of each ``size`` in a row, rising; all of equal ones."""
    n, nothing = hashes.size, np.uint64(_NOTHING)
    found = np.empty(n, np.int64)
    count, lowest = 0, -1
    for i in range(n):
        if lowest < 0 or hashes[i] <= hashes[lowest]:
            lowest = i
        elif lowest <= i - size:
            lowest = i - size + 1
            for j in range(lowest + 1, i + 1):
                if hashes[j] <= hashes[lowest]:
                    lowest = j
        full = i >= size - 1 or i == n - 1
        if full and hashes[lowest] != nothing and (count == 0 or found[count - 1] != lowest):
            found[count] = lowest
            count += 1
    return found[:count].copy()
