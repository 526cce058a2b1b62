"""Counts the bytes of a file by blocks of ten seconds."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.chunk import planes_of_chunk
from cookbooks.lamquant.lqc.container.header import Group
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.jumps import Baseline, unpack_jumps
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.planes import bytes_until
from cookbooks.lamquant.lqc.varint import Cursor

BLOCK_S = 10.0


def bytes_by_block(data: bytes, model: Model) -> NDArray[np.float64]:
    """Returns the bytes that each ten seconds of a file take, [blocks]; they add up to the whole file.

    A lapped chunk's bytes are told apart by how far a decoder has read when a block ends. What stands beside
    the samples, and what is coded exactly, is shared out evenly.
    """
    with ChunkReader(data) as reader:
        groups = reader.header.groups
        seconds = max(reader.n_samples(n) / group.rate_hz for n, group in enumerate(groups))
        blocks = np.zeros(max(1, int(np.ceil(seconds / BLOCK_S))))
        for number, group in enumerate(groups):
            for chunk in range(group.n_chunks(reader.n_samples(number))):
                for start_s, stop_s, n_bytes in _parts(reader, number, group, chunk, model):
                    _share(blocks, start_s, stop_s, n_bytes)
    return blocks + (len(data) - blocks.sum()) / len(blocks)


def _parts(
    reader: ChunkReader, number: int, group: Group, chunk: int, model: Model
) -> Iterator[tuple[float, float, float]]:
    """Yields from when to when, in seconds, how many bytes of a chunk go."""
    data, n_samples = reader.chunk(number, chunk), reader.n_samples(number)
    first, end = group.frames(chunk, n_samples)
    step = (group.hop or 1) / group.rate_hz
    moving = sum(one.low != one.high for one in group.channels)
    if group.mode == "exact" or group.profile != "full" or not moving:
        yield first * step, end * step, float(len(data))
        return
    cursor = Cursor(data)
    low, high = Baseline(group.per_chunk * group.hop, n_samples).samples_of(chunk)
    unpack_jumps(cursor, moving, high - low)
    shape = (moving, end - first, group.hop)
    spec, coded = planes_of_chunk(cursor.rest(), shape, group.rate_hz)
    stops = [*range(max(1, round(BLOCK_S / step)), shape[1], max(1, round(BLOCK_S / step))), shape[1]]
    read = bytes_until(coded, shape, spec, model.entropy, [0, *stops])
    scale = len(data) / max(read[-1] - read[0], 1)
    for start, stop, before, after in zip([0, *stops[:-1]], stops, read[:-1], read[1:], strict=True):
        yield (first + start) * step, (first + stop) * step, (after - before) * scale


def _share(blocks: NDArray[np.float64], start_s: float, stop_s: float, n_bytes: float) -> None:
    """Update the blocks by bytes that go evenly from one time to another."""
    edges = np.arange(len(blocks) + 1) * BLOCK_S
    edges[-1] = max(edges[-1], stop_s)
    inside = np.clip(np.minimum(edges[1:], stop_s) - np.maximum(edges[:-1], start_s), 0, None)
    blocks += n_bytes * inside / max(inside.sum(), 1e-9)
