"""Encodes channels of a signal exactly, or within a bound of each sample, chunk by chunk."""

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import Group
from cookbooks.lamquant.lqc.exact import decode_exact, encode_exact
from cookbooks.lamquant.lqc.measure import MeasuredSignal
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.pieces import ChunkSpool, CodedGroup, CodingOutcome
from cookbooks.lamquant.lqc.plan import Placed, described
from cookbooks.lamquant.lqc.signals import SignalSource

CHUNK_VALUES = 1 << 17
"""Values of a chunk, over all its channels: about two minutes of four channels at 256 Hz."""
LEAST_SAMPLES, MOST_SECONDS = 1024, 120


def samples_per_chunk(n_channels: int, rate_hz: float) -> int:
    """Returns how many samples of each channel a chunk has."""
    return max(LEAST_SAMPLES, min(CHUNK_VALUES // n_channels, round(MOST_SECONDS * rate_hz)))


def exact_piece(
    signal: SignalSource,
    placed: Placed,
    measured: MeasuredSignal,
    bounds: NDArray[np.int64],
    workers: Workers,
    told: Callable[[int], object],
) -> CodedGroup:
    """Returns the coded rows of a signal with errors of at most ``bounds`` [C] digital units.

    A channel of one value is not coded. ``told`` is called with the samples that each chunk adds.
    """
    facts = described(signal.channels, measured, placed.rows)
    moving = placed.rows[~measured.constant[placed.rows]]
    limits = bounds[~measured.constant[placed.rows]]
    low, high = measured.low[moving][:, None], measured.high[moving][:, None]
    per_chunk = samples_per_chunk(len(placed.rows), signal.rate_hz)
    chunks, outcome = ChunkSpool(), CodingOutcome.none(len(moving))

    def blocks() -> Iterator[NDArray[np.int32]]:
        for start in range(0, signal.n_samples, per_chunk):
            yield signal.read(start, min(start + per_chunk, signal.n_samples))[moving]

    def code(x: NDArray[np.int32]) -> tuple[bytes, CodingOutcome]:
        mine = CodingOutcome.none(len(x))
        if not len(x):
            return b"", mine
        data = encode_exact(x, limits)
        if limits.any():
            back = np.clip(decode_exact(data, *x.shape), low, high)
            mine.add(back.astype(np.float64) - x)
        else:
            mine.samples = x.shape[1]
        return data, mine

    for data, mine in workers.map(code, blocks()):
        chunks.add(data)
        outcome.join(mine)
        told(per_chunk)
    group = Group(signal.rate_hz, facts, "exact", per_chunk, signal.n_samples)
    return CodedGroup(group, placed, chunks, outcome)
