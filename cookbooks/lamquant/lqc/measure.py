"""Measures channels in one pass over a signal of any length: range, mean, strength with and without drift."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.signals import SignalSource

_VALUES = 1 << 20
"""So many values are read at a time."""
_STILL = 1e-6


@dataclass(frozen=True)
class MeasuredSignal:
    """Holds figures of each channel, arrays [C] in digital units.

    Attributes:
        first: first sample.
        low: least sample.
        high: largest sample.
        mean: mean, float64.
        std: standard deviation.
        fast_rms: RMS about the straight line through each second; the standard deviation where that is 0.
        unmoved: share of the samples that equal the one before.
    """

    first: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    mean: NDArray[np.float64]
    std: NDArray[np.float64]
    fast_rms: NDArray[np.float64]
    unmoved: NDArray[np.float64]

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Says of each channel whether it has one value throughout."""
        return self.low == self.high


def measure(signal: SignalSource) -> MeasuredSignal:
    """Returns the figures of a whole signal, read once from its start to its end."""
    second = min(signal.n_samples, max(4, round(signal.rate_hz)))
    n = second * max(1, _VALUES // (second * len(signal.channels)))
    first = signal.read(0, 1)[:, 0].astype(np.int64)
    low, high = first.copy(), first.copy()
    total, square, fast, unmoved = (np.zeros(len(first)) for _ in range(4))
    last, seconds = first, 0
    for start in range(0, signal.n_samples, n):
        block = signal.read(start, min(start + n, signal.n_samples))
        low, high = np.minimum(low, block.min(1)), np.maximum(high, block.max(1))
        x = block - first[:, None].astype(np.float64)
        total += x.sum(1)
        square += np.einsum("ct,ct->c", x, x)
        whole = x[:, : x.shape[1] // second * second].reshape(len(x), -1, second)
        fast += _about_lines(whole)
        seconds += whole.shape[1]
        unmoved += (block[:, 1:] == block[:, :-1]).sum(1) + ((block[:, 0] == last) if start else 0)
        last = block[:, -1]
    mean = total / signal.n_samples
    std = np.sqrt(np.maximum(square / signal.n_samples - mean**2, 0))
    rms = np.sqrt(fast / max(seconds, 1))
    return MeasuredSignal(
        first=first,
        low=low,
        high=high,
        mean=first + mean,
        std=std,
        fast_rms=np.where(rms > _STILL, rms, std),
        unmoved=unmoved / max(signal.n_samples - 1, 1),
    )


def _about_lines(whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns the summed variances of seconds [C, S, n] about the straight line through each, [C]."""
    time = np.linspace(-1, 1, whole.shape[-1])
    slope = (whole @ time) / max(float(time @ time), 1e-12)
    return np.maximum(whole.var(-1) - slope**2 * time.var(), 0).sum(-1)
