"""Cuts a signal into lapped frames of cosine coefficients, and adds the frames up again.

Exact MDCT with time-domain alias cancellation (Princen, Johnson and Bradley, 1987), sine window, orthonormal:
the energy of an error is that of the coefficients' error. A signal of T samples has ``ceil(T / hop) + 1``
frames of ``hop`` coefficients. Frame f covers samples [(f - 1) * hop, (f + 1) * hop), and the signal is
mirrored at its two ends.

A frame is folded to ``hop`` values, whose cosine transform (DCT-IV) is one complex FFT of ``hop / 2`` points.
Each frame is computed by itself in doubles: the result is the same however a signal is cut into frames.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import LqcError

MIN_HOP, MAX_HOP = 8, 4096
_BLOCK = 1 << 16
"""So many samples are transformed at a time: what they need stays in the cache."""


def n_frames(n_samples: int, hop: int) -> int:
    """Returns how many frames cover ``n_samples``."""
    return -(-n_samples // hop) + 1


def check_hop(hop: int) -> None:
    """Raises LqcError unless ``hop`` is a power of two within the limits."""
    if not MIN_HOP <= hop <= MAX_HOP or hop & (hop - 1):
        raise LqcError(f"hop={hop}: must be a power of two from {MIN_HOP} to {MAX_HOP}")


def bin_frequency(hop: int, rate_hz: float) -> NDArray[np.float64]:
    """Returns the centre frequency of each coefficient in Hz, [hop]."""
    return (np.arange(hop) + 0.5) * rate_hz / (2 * hop)


def samples_of_frames(first: int, stop: int, n_samples: int, hop: int) -> tuple[int, int]:
    """Returns the range [low, high) of samples that ``mirrored`` needs for frames [first, stop)."""
    low, high = (first - 1) * hop, stop * hop
    if high > n_samples:
        low = min(low, 2 * n_samples - high)
    if low < 0:
        high = max(high, -low)
        low = 0
    return max(0, min(low, n_samples - 1)), min(high, n_samples)


def mirrored(
    block: NDArray[np.generic], low: int, first: int, stop: int, n_samples: int, hop: int
) -> NDArray[np.float64]:
    """Returns the samples of frames [first, stop), mirrored at the ends, [..., (stop - first + 1) * hop].

    ``block`` [..., n] holds the samples from ``low`` on, as ``samples_of_frames`` asks for.
    """
    at = np.arange((first - 1) * hop, stop * hop) % (2 * n_samples)
    at = np.where(at < n_samples, at, 2 * n_samples - 1 - at) - low
    return np.asarray(block[..., at], np.float64)


@lru_cache(maxsize=16)
def _tables(hop: int) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
    """Returns the rising half of the window, [hop], and the twiddles with the scale, [hop / 2]."""
    rise = np.sin(np.pi * (np.arange(hop) + 0.5) / (2 * hop))
    twiddle = np.exp(-1j * np.pi * (8 * np.arange(hop // 2) + 1) / (8 * hop)) * (2 / hop) ** 0.25
    return rise, twiddle


def _dct4(u: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the orthonormal DCT-IV over the last axis; it is its own inverse."""
    hop = u.shape[-1]
    twiddle = _tables(hop)[1]
    z = np.fft.fft((u[..., 0::2] + 1j * u[..., ::-2]) * twiddle) * twiddle
    out = np.empty_like(u)
    out[..., 0::2] = z.real
    out[..., ::-2] = -z.imag
    return out


def analyse(signal: NDArray[np.floating], hop: int) -> NDArray[np.float64]:
    """Returns coefficients [..., F, hop] of samples [..., (F + 1) * hop], in the unit of the samples.

    Raises:
        LqcError: a hop that cannot be, or samples that do not fill frames.
    """
    check_hop(hop)
    if signal.shape[-1] % hop or signal.shape[-1] < 2 * hop:
        raise LqcError(f"{signal.shape[-1]} samples do not fill frames of {hop}: pad them, see mirrored()")
    frames = signal.shape[-1] // hop - 1
    flat = signal.reshape(-1, frames + 1, hop)
    out = np.empty((len(flat), frames, hop))
    step = max(1, _BLOCK // hop)
    for channel, one in zip(flat, out, strict=True):
        for f in range(0, frames, step):
            part = channel[f : f + step + 1]
            one[f : f + step] = _dct4(_fold(part))
    return out.reshape(*signal.shape[:-1], frames, hop)


def _fold(blocks: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns each frame's two windowed halves folded onto its middle, [F, hop], of blocks [F + 1, hop]."""
    hop, half = blocks.shape[-1], blocks.shape[-1] // 2
    rise = _tables(hop)[0]
    up, down = blocks[:-1] * rise, blocks[1:] * rise[::-1]
    out = np.empty_like(up)
    out[:, :half] = -down[:, half - 1 :: -1] - down[:, half:]
    out[:, half:] = up[:, :half] - up[:, : half - 1 : -1]
    return out


def _unfold(u: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the first and the second windowed half, both [F, hop], of folded frames [F, hop]."""
    hop, half = u.shape[-1], u.shape[-1] // 2
    rise = _tables(hop)[0]
    up = np.concatenate([u[:, half:], -u[:, : half - 1 : -1]], -1)
    down = np.concatenate([-u[:, half - 1 :: -1], -u[:, :half]], -1)
    return up * rise, down * rise[::-1]


def synthesise(coefficients: NDArray[np.floating]) -> NDArray[np.float64]:
    """Returns the samples that coefficients [..., F, hop] cover twice, [..., (F - 1) * hop].

    Raises:
        LqcError: a hop that cannot be.
    """
    frames, hop = coefficients.shape[-2:]
    check_hop(hop)
    flat = coefficients.reshape(-1, frames, hop)
    out = np.empty((len(flat), max(0, frames - 1), hop))
    step = max(1, _BLOCK // hop)
    for channel, one in zip(flat, out, strict=True):
        for f in range(0, frames - 1, step):
            up, down = _unfold(_dct4(channel[f : f + step + 1].astype(np.float64)))
            one[f : f + step] = down[:-1] + up[1:]
    return out.reshape(*coefficients.shape[:-2], -1)
