"""Decodes a ``.lqc`` file as it arrives, from a pipe or a socket: samples are there when their chunk is."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import MAX_SAMPLES, FileHeader
from cookbooks.lamquant.lqc.container.stream import Arrived, ChunkStream
from cookbooks.lamquant.lqc.errors import ChunkError
from cookbooks.lamquant.lqc.group_decoder import GroupDecoder
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers


@dataclass(frozen=True)
class LiveStretch:
    """Holds samples int32 [C, n] of a group that have become known; ``start`` is the number of the first."""

    group: int
    start: int
    samples: NDArray[np.int32]


class LiveDecoder:
    """Yields stretches of each group, as soon as the chunks that they hang on have arrived.

    Starts of one group only rise. What lies between the end of one stretch and the start of the next is lost.
    The last ``hop`` samples of a lapped chunk come with the next one, since they hang on both.

    Args:
        file: read from where it stands, no further than to the end of what was coded.
        model: the checkpoint that it was coded with; None for a file that is coded exactly.

    Raises:
        FormatError: the header is cut, damaged, or of a later version.
        ModelError: no model, or another one than that of the file.
    """

    def __init__(self, file: BinaryIO, model: Model | None = None) -> None:
        self._stream = ChunkStream(file)
        self._latest = _Latest(self._stream.header)
        numbers = range(len(self._stream.header.groups))
        self._groups = [GroupDecoder(self._latest, number, model, "raise") for number in numbers]
        self._workers = Workers(1)

    @property
    def header(self) -> FileHeader:
        """Returns what the file says beside its samples, as far as that has come."""
        return self._stream.header

    @property
    def complete(self) -> bool:
        """Says whether the end of the file has come, and every chunk before it."""
        return self._stream.complete

    def __iter__(self) -> Iterator[LiveStretch]:
        """Yields what has become known.

        Raises:
            ChunkError: a chunk is whole, but cannot be decoded.
        """
        for chunk in self._stream:
            decoder = self._groups[chunk.group]
            if chunk.n_samples is not None:
                decoder.n_samples = chunk.n_samples
            goes_on = self._latest.add(chunk)
            start, stop = _known(decoder, chunk.chunk, goes_on)
            if start < stop:
                yield LiveStretch(chunk.group, start, decoder.read(start, stop, self._workers))


def _known(decoder: GroupDecoder, chunk: int, goes_on: bool) -> tuple[int, int]:
    """Returns the samples that a chunk makes known; ``goes_on`` says that the one before it is there."""
    group = decoder.group
    first, end = group.frames(chunk, decoder.n_samples)
    if group.mode == "lapped":
        first, end = (first - goes_on) * group.hop, (end - 1) * group.hop
    return max(first, 0), min(end, decoder.n_samples)


class _Latest:
    """Holds the last two chunks of each group."""

    def __init__(self, header: FileHeader) -> None:
        self.header = header
        self._chunks: list[dict[int, bytes]] = [{} for _ in header.groups]

    def n_samples(self, group: int) -> int:
        known = self.header.groups[group].n_samples
        return MAX_SAMPLES if known is None else known

    def add(self, arrived: Arrived) -> bool:
        """Hold a chunk; says whether the one before it is there, too."""
        held = self._chunks[arrived.group]
        before = {arrived.chunk - 1: held[arrived.chunk - 1]} if arrived.chunk - 1 in held else {}
        self._chunks[arrived.group] = {**before, arrived.chunk: arrived.data}
        return bool(before)

    def chunk(self, group: int, number: int) -> bytes:
        if number not in self._chunks[group]:
            raise ChunkError(group, number, "has not arrived")
        return self._chunks[group][number]
