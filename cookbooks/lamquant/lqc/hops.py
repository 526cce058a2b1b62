"""Chooses the hop of a recording by coding a few stretches of it."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import encode_chunk, in_steps
from cookbooks.lamquant.lqc.lapped import analyse
from cookbooks.lamquant.lqc.model import Model

HOPS = (32, 64, 128, 256, 512, 1024)
SHORTEST_S, LONGEST_S = 0.1, 2.5
"""Seconds from frame to frame that are tried."""
_SHARE, _LEAST, _MOST = 0.05, 1 << 13, 1 << 16
"""What is coded a hop: a share of all values, at least and at most so many."""
_CHANNELS = 4


def choose_hop(
    read: Callable[[int, int], NDArray[np.float64]],
    n_samples: int,
    rate_hz: float,
    steps_index: NDArray[np.integer],
    model: Model,
) -> int:
    """Returns the hop at which bits and error together cost least, of some stretches at the same steps.

    ``read`` gives centred samples [C, stop - start]. The search starts at half a second and goes on to
    longer or shorter hops while that is better.
    """
    hops = [hop for hop in HOPS if SHORTEST_S <= hop / rate_hz <= LONGEST_S and 8 * hop <= n_samples]
    if not hops:
        return HOPS[-1] if rate_hz > HOPS[-1] and n_samples > 8 * HOPS[-1] else HOPS[0]
    stretches = _stretches(n_samples, len(steps_index), max(hops))
    rows = np.unique(np.linspace(0, len(steps_index) - 1, _CHANNELS).astype(int))
    x = [read(start, stop)[rows] for start, stop in stretches]

    @cache
    def cost(at: int) -> float:
        return sum(_cost(one, hops[at], rate_hz, steps_index[rows], model) for one in x)

    at = int(np.argmin([abs(np.log2(hop / rate_hz / 0.5)) for hop in hops]))
    for step in (1, -1):
        moved = False
        while 0 <= at + step < len(hops) and cost(at + step) < cost(at):
            at, moved = at + step, True
        if moved:
            break
    return hops[at]


def _stretches(n_samples: int, n_channels: int, longest: int) -> list[tuple[int, int]]:
    """Returns ranges of samples, evenly spread, of whole frames of the ``longest`` hop."""
    rows = min(n_channels, _CHANNELS)
    wanted = min(max(_SHARE * n_samples * n_channels, _LEAST), _MOST) / rows
    length = min(int(max(wanted / 4, 16 * longest)), n_samples) // longest * longest
    count = max(1, min(round(wanted / length), n_samples // length))
    starts = np.linspace(0, n_samples - length, count + 2)[1:-1] if count > 1 else [(n_samples - length) / 2]
    return [(int(start), int(start) + length) for start in starts]


def _cost(
    x: NDArray[np.float64], hop: int, rate_hz: float, steps_index: NDArray[np.integer], model: Model
) -> float:
    """Returns bits, and squared error by the price of a bit, a coefficient of x [C, n]."""
    y = analyse(x, hop)
    coded = encode_chunk(y, steps_index, rate_hz, model, "device")
    error = in_steps(coded.coefficients - y, steps_index, np.zeros(y.shape[1], np.int8))
    bits = 8 * len(coded.data) + float(np.square(error, dtype=np.float64).sum()) / model.lam
    return bits / y.size
