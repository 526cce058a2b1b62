"""Measures short stretches of one channel: a window of seconds shows what a mean over minutes hides.

Windows overlap by half and the last one ends with the recording, so that no fault falls between two of them
and none lies behind the last.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from cookbooks.lamquant.gate.metrics import NO_ENERGY, Signal, peak

_BLOCK = 512
"""Windows that are looked at together; bounds the memory of a recording of days."""


@dataclass(frozen=True)
class Stretches:
    """Holds the windows of one channel, each ``[starts, starts + samples)``.

    Attributes:
        samples: length of every window; the whole channel where that is shorter.
        starts: int64 ``[W]``, first sample of each.
        flat: bool ``[W]``, whether the original is digitally constant there.
        prdn: float64 ``[W]``, percent of the window's energy about its own mean; NaN where unmeasurable.
        r: float64 ``[W]``, Pearson; NaN where unmeasurable.
        error: float64 ``[W]``, the largest difference, microvolts.
    """

    samples: int
    starts: NDArray[np.int64]
    flat: NDArray[np.bool_]
    prdn: Signal
    r: Signal
    error: Signal


def measure_stretches(digital: NDArray[np.integer], x: Signal, y: Signal, samples: int) -> Stretches:
    """Returns the figures of every window of ``samples`` samples.

    Args:
        digital: the original's integers ``[T]``; they alone say whether it is flat.
        x: the original, microvolts ``[T]``.
        y: the decoded signal, microvolts ``[T]``.
        samples: length of a window, at least 1.
    """
    samples = min(samples, len(x))
    starts = np.arange(0, len(x) - samples + 1, max(1, samples // 2))
    if starts[-1] != len(x) - samples:
        starts = np.append(starts, len(x) - samples)
    d, a, b = (
        sliding_window_view(digital, samples),
        sliding_window_view(x, samples),
        sliding_window_view(y, samples),
    )
    parts = (starts[i : i + _BLOCK] for i in range(0, len(starts), _BLOCK))
    blocks = [_block(d[part], a[part], b[part]) for part in parts]
    flat, prdn, r, error = (np.concatenate(column) for column in zip(*blocks, strict=True))
    return Stretches(samples, starts, flat.astype(np.bool_), prdn, r, error)


def _block(digital: NDArray[np.integer], x: Signal, y: Signal) -> tuple[Signal, ...]:
    """Returns flatness, PRDN, R and largest error of windows ``[W, samples]``."""
    with np.errstate(all="ignore"):  # what is not finite becomes NaN
        flat = (digital == digital[:, :1]).all(axis=1)
        a, b = x / peak(x), y / peak(y)
        e = x / peak(x) - y / peak(x)
        raw_a, raw_b, residual = _sums(a, a), _sums(b, b), _sums(e, e)
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        aa, bb = _sums(a, a), _sums(b, b)
        aa[flat | ~(aa > NO_ENERGY * raw_a)] = np.nan
        bb[~(bb > NO_ENERGY * raw_b)] = np.nan
        prdn = _finite(100 * np.sqrt(residual / aa))
        r = _finite(_sums(a, b) / np.sqrt(aa) / np.sqrt(bb))
        return flat, prdn, np.clip(r, -1, 1), np.abs(x - y).max(axis=1)


def _sums(a: Signal, b: Signal) -> Signal:
    return np.einsum("wt,wt->w", a, b)


def _finite(values: Signal) -> Signal:
    return np.where(np.isfinite(values), values, np.nan)
