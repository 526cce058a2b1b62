"""Cuts signals into frames for the lapped transform,
and makes the MDCT that the learned filters start from.

MDCT with time-domain alias cancellation: Princen, Johnson and Bradley (1987). A signal of T samples
has ``ceil(T / hop) + 1`` frames of ``2 * hop`` samples; frame f starts at sample ``(f - 1) * hop``.
"""

import numpy as np
import torch
from numpy.typing import NDArray


def mdct_basis(hop: int) -> NDArray[np.float64]:
    """Returns sine-windowed MDCT filters, [hop, 2 * hop]; the same array serves analysis and synthesis."""
    n = np.arange(2 * hop) + 0.5
    k = np.arange(hop)[:, None] + 0.5
    window = np.sin(np.pi * n / (2 * hop))
    return np.sqrt(2 / hop) * np.cos(np.pi / hop * (n + hop / 2) * k) * window


def n_frames(n_samples: int, hop: int) -> int:
    """Returns how many frames cover ``n_samples``."""
    return -(-n_samples // hop) + 1


def pad_signal(signal: NDArray[np.float64], hop: int) -> NDArray[np.float32]:
    """Returns ``signal`` [T] mirrored at both ends so that every sample lies in two frames."""
    frames = n_frames(len(signal), hop)
    right = frames * hop - len(signal)
    return np.pad(signal, (hop, right), mode="symmetric").astype(np.float32)


def split_frames(padded: torch.Tensor, hop: int) -> torch.Tensor:
    """Split [..., (F + 1) * hop] into overlapping frames [..., F, 2 * hop]."""
    return padded.unfold(-1, 2 * hop, hop)


def overlap_add(frames: torch.Tensor) -> torch.Tensor:
    """Add frames [..., F, 2 * hop] to the (F - 1) * hop samples that are covered twice."""
    hop = frames.shape[-1] // 2
    body = frames[..., 1:, :hop] + frames[..., :-1, hop:]
    return body.flatten(-2)


def bin_frequency(hop: int, rate_hz: float) -> NDArray[np.float64]:
    """Returns the centre frequency of each coefficient in Hz, [hop]."""
    return (np.arange(hop) + 0.5) * rate_hz / (2 * hop)
