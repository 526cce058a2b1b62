"""Chooses in which order channels are coded, and which of those coded before predict each."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MAX_OTHERS = 4
LEAST = 0.1
"""Correlation of first differences below which another channel is not used."""


class CodingTurn(NamedTuple):
    """Names a channel, and those coded before it that predict it."""

    channel: int
    others: list[int]


def turns(samples: NDArray[np.int32]) -> list[CodingTurn]:
    """Return the channels of ``samples`` [C, T] in the order of coding.

    The channel that resembles the rest most comes first, and next is always that most like one coded before.
    """
    n_channels, n_samples = samples.shape
    if n_channels == 1 or n_samples < 3:
        return [CodingTurn(channel, []) for channel in range(n_channels)]
    likeness = _likeness(samples)
    best = np.full(n_channels, -1.0)
    done: list[int] = []
    order: list[CodingTurn] = []
    channel = int(likeness.sum(1).argmax())
    for _ in range(n_channels):
        others = sorted(done, key=lambda one: -likeness[channel, one])[:MAX_OTHERS]
        order.append(CodingTurn(channel, [one for one in others if likeness[channel, one] > LEAST]))
        done.append(channel)
        best = np.maximum(best, likeness[channel])
        best[done] = -2
        channel = int(best.argmax())
    return order


def _likeness(samples: NDArray[np.int32]) -> NDArray[np.float64]:
    """Return the absolute correlation of first differences [C, C], 0 with a constant channel."""
    change = np.diff(samples.astype(np.float64), axis=1)
    change -= change.mean(1, keepdims=True)
    change /= np.maximum(np.sqrt((change**2).sum(1, keepdims=True)), 1e-9)
    return np.abs(change @ change.T)
