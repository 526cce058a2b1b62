"""Turns ``.lqc`` files back into integers: all of them, or any stretch by itself."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.container.header import ChannelFacts, FileHeader
from cookbooks.lamquant.lqc.container.reader import ChunkReader
from cookbooks.lamquant.lqc.errors import FormatError, InputError
from cookbooks.lamquant.lqc.group_decoder import Damaged, GroupDecoder
from cookbooks.lamquant.lqc.model import Model
from cookbooks.lamquant.lqc.parallel import Workers
from cookbooks.lamquant.lqc.plan import Placed, placed_in
from cookbooks.lamquant.lqc.refining import Refiner


@dataclass(frozen=True)
class Described:
    """Says what a file holds of one rate; ``channels`` are in the order of the rows that are read."""

    rate_hz: float
    n_samples: int
    channels: tuple[ChannelFacts, ...]


class Decoder:
    """Reads a ``.lqc`` file, any stretch of it by itself; threads may share one.

    Attributes:
        header: what the file says beside its samples.
        signals: what it holds of each rate.
        problems: what of the file itself was damaged, and how that was helped.

    Args:
        source: path of the file, or its bytes.
        model: the checkpoint that it was coded with; None for a file that is coded exactly.
        damaged: what becomes of a chunk that cannot be read: ``raise`` an error, or ``mark`` it: its samples
            are the channel's mean, and ``damaged_ranges`` says where.
        threads: how many decode; 0 for one a core. One second needs one.
        refiner: a better decoder of the same bytes, trained for this model (``refine.files.load_refiner``).

    Raises:
        LqcError: no such file, or one that was coded with another model than ``model`` or ``refiner`` is of.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        model: Model | None = None,
        damaged: Damaged = "raise",
        threads: int = 0,
        refiner: Refiner | None = None,
    ) -> None:
        if damaged not in ("raise", "mark"):
            raise InputError(f"damaged={damaged!r}: must be raise or mark")
        self._reader = ChunkReader(source)
        self.header: FileHeader = self._reader.header
        self.problems = tuple(self._reader.problems)
        self._placed = placed_in(self.header.groups, self.header.facts)
        numbers = range(len(self.header.groups))
        self._groups = [GroupDecoder(self._reader, number, model, damaged, refiner) for number in numbers]
        self.signals = tuple(
            self._described(signal) for signal in range(1 + max(p.signal for p in self._placed))
        )
        self._workers = Workers(threads)

    def _told(self, signal: int) -> Described:
        if not 0 <= signal < len(self.signals):
            raise InputError(f"signal={signal}: the file has {len(self.signals)}, counted from 0")
        return self.signals[signal]

    def _of(self, signal: int) -> list[tuple[GroupDecoder, Placed]]:
        both = zip(self._groups, self._placed, strict=True)
        return [(group, placed) for group, placed in both if placed.signal == signal]

    def _described(self, signal: int) -> Described:
        mine = self._of(signal)
        rows = [int(row) for _, placed in mine for row in placed.rows]
        channels = [one for group, _ in mine for one in group.group.channels]
        kinds = {(group.group.rate_hz, group.n_samples) for group, _ in mine}
        if len(kinds) != 1:
            raise FormatError(f"signal {signal}: its groups differ in length")
        rate_hz, n_samples = kinds.pop()
        ordered = [channel for _, channel in sorted(zip(rows, channels, strict=True), key=lambda one: one[0])]
        return Described(rate_hz, n_samples, tuple(ordered))

    @property
    def only(self) -> Described:
        """Returns what a file of one signal holds.

        Raises:
            InputError: there are several: see ``signals``, and read each by its number.
        """
        if len(self.signals) != 1:
            raise InputError(
                f"the file has {len(self.signals)} signals: see signals, and read each by its number"
            )
        return self.signals[0]

    def _common(self) -> Described:
        """Returns the first signal, for what is the same of all."""
        if len({(one.rate_hz, one.n_samples) for one in self.signals}) == 1:
            return self.signals[0]
        rates = ", ".join(f"{one.rate_hz:g} Hz" for one in self.signals)
        raise InputError(
            f"the file has {len(self.signals)} signals ({rates}) that differ in rate or length: take"
            " signals[0].n_samples and read each by its number"
        )

    @property
    def rate_hz(self) -> float:
        """Returns samples a second of a file whose signals all have one rate and length."""
        return self._common().rate_hz

    @property
    def n_samples(self) -> int:
        """Returns samples of each channel of a file whose signals all have one rate and length."""
        return self._common().n_samples

    @property
    def channels(self) -> tuple[ChannelFacts, ...]:
        """Returns the channels of a file of one signal."""
        return self.only.channels

    def read(self, start: int, stop: int, signal: int = 0) -> NDArray[np.int32]:
        """Returns samples [start, stop) of every channel of a signal, int32 [C, stop - start].

        Raises:
            InputError: no such signal or samples.
            ChunkError: they are damaged, and damage is not marked.
        """
        n, mine = self._told(signal).n_samples, self._of(signal)
        if not 0 <= start <= stop <= n:
            raise InputError(f"samples {start} to {stop}: must lie within 0 to {n}, the first one first")
        if len(mine) == 1:
            return mine[0][0].read(start, stop, self._workers)
        out = np.empty((len(self.signals[signal].channels), stop - start), np.int32)
        for group, placed in mine:
            out[placed.rows] = group.read(start, stop, self._workers)
        return out

    def read_seconds(self, start_s: float, stop_s: float, signal: int = 0) -> NDArray[np.int32]:
        """Returns the samples from one time of a signal to another, in seconds that were recorded.

        Raises:
            InputError, ChunkError: as ``read``.
        """
        told = self._told(signal)
        return self.read(round(start_s * told.rate_hz), round(stop_s * told.rate_hz), signal)

    def read_all(self, signal: int = 0) -> NDArray[np.int32]:
        """Returns all samples of a signal, int32 [C, T].

        Raises:
            InputError, ChunkError: as ``read``.
        """
        return self.read(0, self._told(signal).n_samples, signal)

    def blocks(self, signal: int = 0, samples: int = 1 << 16) -> Iterator[NDArray[np.int32]]:
        """Yields a signal from start to end, in blocks int32 [C, n] of at most so many ``samples``.

        Raises:
            InputError, ChunkError: as ``read``.
        """
        n = self._told(signal).n_samples
        for start in range(0, n, samples):
            yield self.read(start, min(start + samples, n), signal)

    def damaged_ranges(self, signal: int = 0) -> list[tuple[int, int]]:
        """Returns where samples that were read are lost: the first of each range, and one beyond its last."""
        found = sorted(
            group.group.samples(chunk, group.n_samples)
            for group, _ in self._of(signal)
            for chunk in group.lost
        )
        joined: list[tuple[int, int]] = []
        for start, stop in found:
            if joined and start <= joined[-1][1]:
                start, stop = joined[-1][0], max(stop, joined.pop()[1])
            joined.append((start, stop))
        return joined


def decode(
    data: bytes, model: Model | None = None, *, threads: int = 0, refiner: Refiner | None = None
) -> NDArray[np.int32]:
    """Returns the digital values int32 [C, T] of a file of one signal.

    Raises:
        LqcError: as ``Decoder``; a file of several signals; damage.
    """
    decoder = Decoder(data, model, threads=threads, refiner=refiner)
    return decoder.read(0, decoder.only.n_samples)
