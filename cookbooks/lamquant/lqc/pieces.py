"""Keeps the coded chunks of a group until the file is written: in memory, or on disk where they are many."""

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import FileHeader, Group
from cookbooks.lamquant.lqc.container.writer import Writer
from cookbooks.lamquant.lqc.plan import Placed, facts_of
from cookbooks.lamquant.lqc.signals import SignalSource

_IN_MEMORY = 1 << 26


class ChunkSpool:
    """Holds coded chunks in order."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - closed with the object
        weakref.finalize(self, self._file.close)
        self._sizes: list[int] = []

    def add(self, data: bytes) -> None:
        """Append a chunk."""
        self._file.write(data)
        self._sizes.append(len(data))

    def __iter__(self) -> Iterator[bytes]:
        """Yields every chunk."""
        self._file.seek(0)
        for size in self._sizes:
            yield self._file.read(size)

    @property
    def n_bytes(self) -> int:
        """Returns bytes of all chunks."""
        return sum(self._sizes)


@dataclass
class CodingOutcome:
    """Holds what decoding will give of each channel [C]: the summed squared and the largest error."""

    squared: NDArray[np.float64]
    largest: NDArray[np.float64]
    samples: int = 0

    @classmethod
    def none(cls, n_channels: int) -> "CodingOutcome":
        """Returns the outcome of no sample."""
        return cls(np.zeros(n_channels), np.zeros(n_channels))

    @property
    def error(self) -> NDArray[np.float64]:
        """Returns the mean squared error of each channel, [C]."""
        return self.squared / max(self.samples, 1)

    def add(self, difference: NDArray[np.float64]) -> None:
        """Count the differences [C, n] of some samples."""
        if difference.size:
            self.squared += np.einsum("ct,ct->c", difference, difference)
            self.largest = np.maximum(self.largest, np.abs(difference).max(1))
            self.samples += difference.shape[1]

    def join(self, other: "CodingOutcome") -> None:
        """Count what another run gave."""
        self.squared += other.squared
        self.largest = np.maximum(self.largest, other.largest)
        self.samples += other.samples


@dataclass(frozen=True)
class CodedGroup:
    """Holds a group, where its channels belong, its chunks and their outcome (of the coded channels)."""

    group: Group
    placed: Placed
    chunks: ChunkSpool = field(repr=False)
    outcome: CodingOutcome = field(repr=False)


def header_of(about: FileHeader, pieces: Sequence[CodedGroup], signals: Sequence[SignalSource]) -> FileHeader:
    """Returns the header of a file; ``about`` holds what else is known, its gaps counted by signals."""
    placed = [piece.placed for piece in pieces]
    groups = [(number, one.signal) for number, one in enumerate(placed)]
    return replace(
        about,
        groups=tuple(piece.group for piece in pieces),
        gaps=tuple(
            replace(gap, group=number)
            for gap in about.gaps
            for number, signal in groups
            if signal == gap.group
        ),
        facts={**about.facts, **facts_of(placed, signals)},
    )


def write_file(out: BinaryIO, header: FileHeader, pieces: Sequence[CodedGroup]) -> None:
    """Write a file with the chunks of all groups, earlier times first."""
    writer = Writer(out, header)
    waiting = [iter(piece.chunks) for piece in pieces]
    while (group := writer.due()) is not None:
        writer.chunk(group, next(waiting[group]))
    writer.close()


class ByteCounter:
    """Counts the bytes that are written to it."""

    n_bytes = 0

    def write(self, data: bytes) -> int:
        """Returns how many bytes were counted."""
        self.n_bytes += len(data)
        return len(data)

    def flush(self) -> None:
        """Do nothing: nothing is kept back."""
