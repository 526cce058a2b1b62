"""Measures how loud a recording is, frame by frame: what a controller has to be better than.

Two numbers that need no training: the power of the loudest channel, and its line length, each over a second
against its own running mean, smoothed over two. Both are causal.
"""

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.labels.frames import frame_end, n_frames
from cookbooks.lamquant.signal.filtered import Readable

BLOCK_FRAMES = 240
WINDOW_S, SMOOTH_S, BASELINE_S = 1.0, 2.0, 30.0
Array = NDArray[np.float64]
Loudness = NDArray[np.int32]


def loudness(recording: Readable, frame_ms: int) -> tuple[Loudness, Loudness]:
    """Returns power and line length of each frame, int32 ``[T]``, in 1/256 octave above what is usual."""
    frames = n_frames(recording.n_samples, recording.rate_hz, frame_ms)
    if not frames:
        return np.zeros(0, np.int32), np.zeros(0, np.int32)
    ends = [0, *(frame_end(k, recording.rate_hz, frame_ms) for k in range(frames))]
    parts = [_sums(recording, ends[k : k + BLOCK_FRAMES + 1]) for k in range(0, frames, BLOCK_FRAMES)]
    power, line = (np.concatenate(one, axis=1) for one in zip(*parts, strict=True))
    return _above_usual(power, frame_ms), _above_usual(line, frame_ms)


def _sums(recording: Readable, ends: list[int]) -> tuple[Array, Array]:
    """Returns variance and mean step of each channel in each frame, ``[C, frames]``, in microvolts."""
    x = recording.read(ends[0], ends[-1]) * recording.scale[:, None]
    starts = np.array(ends[:-1]) - ends[0]
    lengths = np.diff(ends)
    mean = np.add.reduceat(x, starts, axis=1) / lengths
    square = np.add.reduceat(x * x, starts, axis=1) / lengths
    steps = np.abs(np.diff(x, axis=1, prepend=x[:, :1]))
    return np.maximum(square - mean**2, 0), np.add.reduceat(steps, starts, axis=1) / lengths


def _above_usual(sums: Array, frame_ms: int) -> Loudness:
    window = _trailing(sums, round(1000 * WINDOW_S / frame_ms))
    level = np.log2(window + 1e-3)
    usual, pace = level[:, 0].copy(), frame_ms / 1000 / BASELINE_S
    above = np.empty(level.shape[1])
    for t in range(level.shape[1]):
        now = level[:, t] - usual
        above[t] = now.max()
        usual += pace * np.clip(now, -1, 1)
    return np.rint(256 * _trailing(above[None], round(1000 * SMOOTH_S / frame_ms))[0]).astype(np.int32)


def _trailing(values: Array, frames: int) -> Array:
    """Returns the mean over the last frames, ``[C, T]``."""
    frames = max(frames, 1)
    total = np.cumsum(values, axis=1)
    total[:, frames:] = total[:, frames:] - total[:, :-frames]
    return total / np.minimum(np.arange(1, values.shape[1] + 1), frames)
