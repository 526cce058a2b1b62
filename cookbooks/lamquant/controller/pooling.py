"""Makes one row of numbers of those of all channels: no order, no names, any number of channels."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.controller.features import EXCESS, LIVE, LOUD, N_CHANNEL
from cookbooks.lamquant.lqc.compiled import jit

N_POOLED = 3 * N_CHANNEL
NAMES = tuple(
    f"{pool} {name}"
    for pool in ("largest", "third", "mean")
    for name in (
        *("delta", "theta", "alpha", "beta", "gamma"),
        *("line length", "rhythm", "skewness", "rhythmic rise"),
    )
)
"""What stands where in a row of the pooled numbers."""


class Pooled(NamedTuple):
    """Holds what a controller and its states see of each frame.

    Attributes:
        features: int32 ``[T, 27]`` in 1/256: largest, third largest and mean over the live channels.
        loud: int32 ``[T]``, mean of log2 of the power in 1/256 octave.
        excess: int32 ``[T]``, by how much the third loudest channel is above its own median, in the same.
    """

    features: NDArray[np.int32]
    loud: NDArray[np.int32]
    excess: NDArray[np.int32]


@jit
def _pool(measured, live_at, n_channel, loud_at, excess_at, features, loud, excess):
    frames, channels = measured.shape[0], measured.shape[1]
    for t in range(frames):
        live = 0
        for ch in range(channels):
            live += measured[t, ch, live_at]
        if live == 0:
            continue
        for i in range(n_channel + 1):
            column = excess_at if i == n_channel else i
            one = two = three = -(1 << 30)
            total = 0
            for ch in range(channels):
                if measured[t, ch, live_at]:
                    v = measured[t, ch, column]
                    total += v
                    if v > one:
                        one, two, three = v, one, two
                    elif v > two:
                        two, three = v, two
                    elif v > three:
                        three = v
            third = three if live > 2 else (two if live > 1 else one)
            if i == n_channel:
                excess[t] = third
            else:
                features[t, i] = one
                features[t, n_channel + i] = third
                features[t, 2 * n_channel + i] = total // live
        total = 0
        for ch in range(channels):
            if measured[t, ch, live_at]:
                total += measured[t, ch, loud_at]
        loud[t] = total // live


def pool(measured: NDArray[np.integer]) -> Pooled:
    """Returns the pooled numbers of what a `FeatureStream` measured, ``[T, C, 12]``; a dead channel is none.

    Where all channels are dead, all numbers are 0.
    """
    n = len(measured)
    made = Pooled(np.zeros((n, N_POOLED), np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32))
    _pool(measured, LIVE, N_CHANNEL, LOUD, EXCESS, *made)
    return made
