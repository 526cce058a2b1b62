"""Says what the search for duplicates needs of a recording, and reads it a bounded piece at a time."""

from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

BLOCK_VALUES = 1 << 21
"""Values of all channels together in one piece: 8 MB as int32."""
SHORTEST_BLOCK, LONGEST_BLOCK = 1 << 12, 1 << 16
_KEPT = 3

Samples = NDArray[np.integer]


class Signal(Protocol):
    """Says what is needed of a recording; samples are read where they are asked for."""

    @property
    def channels(self) -> list[str]:
        """Returns the names of the channels."""
        ...

    @property
    def rate_hz(self) -> float:
        """Returns the rate in samples per second."""
        ...

    @property
    def n_samples(self) -> int:
        """Returns the samples of each channel."""
        ...

    @property
    def scale(self) -> NDArray[np.float64]:
        """Returns microvolts per digital unit, float64 ``[C]``."""
        ...

    def read(self, start: int, stop: int) -> Samples:
        """Returns the integers ``[C, stop - start]``."""
        ...


def block_size(n_channels: int) -> int:
    """Returns how many samples of each channel are read at once."""
    return min(max(BLOCK_VALUES // max(1, n_channels), SHORTEST_BLOCK), LONGEST_BLOCK)


def blocks(signal: Signal) -> Iterator[Samples]:
    """Yield a recording in pieces ``[C, n]``, in time order and without overlap."""
    size = block_size(len(signal.channels))
    for start in range(0, signal.n_samples, size):
        yield signal.read(start, min(start + size, signal.n_samples))


class Window:
    """Reads any stretch of a recording; the pieces read last are kept, so neighbours cost nothing."""

    def __init__(self, signal: Signal) -> None:
        self.signal = signal
        self._size = block_size(len(signal.channels))
        self._kept: OrderedDict[int, Samples] = OrderedDict()

    def read(self, start: int, stop: int) -> Samples:
        """Returns the integers ``[C, stop - start]``; both ends lie inside the recording."""
        first, last = start // self._size, max(start, stop - 1) // self._size
        pieces = [self._block(index) for index in range(first, last + 1)]
        whole = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
        return whole[:, start - first * self._size : stop - first * self._size]

    def _block(self, index: int) -> Samples:
        if index not in self._kept:
            if len(self._kept) >= _KEPT:
                self._kept.popitem(last=False)
            low = index * self._size
            self._kept[index] = self.signal.read(low, min(low + self._size, self.signal.n_samples))
        self._kept.move_to_end(index)
        return self._kept[index]
