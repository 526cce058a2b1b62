"""Writes and reads what is said of channels into the same stream of bytes as their samples."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cookbooks.lamquant.lqc.errors import LqcError
from cookbooks.lamquant.lqc.exact import coder


class BitWriter:
    """Holds a range coder and the bytes it has written."""

    def __init__(self) -> None:
        self.state: NDArray[np.uint64] = coder.start_coder()
        self._out: Any = np.empty(0, np.uint8)

    def room(self, n_bytes: int) -> Any:
        """Return the buffer, uint8, with room for ``n_bytes`` more."""
        wanted = int(self.state[coder.AT]) + n_bytes + 16
        if wanted > len(self._out):
            grown = np.empty(wanted + wanted // 2, np.uint8)
            grown[: len(self._out)] = self._out
            self._out = grown
        return self._out

    def bits(self, value: int, n_bits: int) -> None:
        """Write ``value`` as ``n_bits`` bits."""
        coder.put_bits(self.state, self.room(8), value, n_bits)

    def length(self, value: int) -> None:
        """Write ``value``, from 0 to 2**40 - 1, in 6 bits and those it needs."""
        coder.put_length(self.state, self.room(8), value)

    def signed(self, value: int) -> None:
        """Write ``value`` of either sign."""
        self.length(-2 * value - 1 if value < 0 else 2 * value)

    def close(self) -> bytes:
        """Returns all bytes; nothing more can be written."""
        return self._out[: coder.finish(self.state, self.room(8))].tobytes()


class BitReader:
    """Reads what a ``BitWriter`` wrote."""

    def __init__(self, data: bytes) -> None:
        self.data = np.frombuffer(data, np.uint8)
        self.state: NDArray[np.uint64] = coder.start_decoder(self.data)

    def bits(self, n_bits: int) -> int:
        """Read ``n_bits`` bits."""
        return int(coder.take_bits(self.state, self.data, n_bits))

    def length(self) -> int:
        """Read a number from 0 to 2**40 - 1."""
        return int(coder.take_length(self.state, self.data))

    def signed(self) -> int:
        """Read a number of either sign."""
        value = self.length()
        return -(value >> 1) - 1 if value & 1 else value >> 1

    def check(self) -> None:
        """Raise ``LqcError`` if more bytes have been read than there are."""
        if int(self.state[coder.AT]) > len(self.data) + 8:
            raise LqcError(f"the samples end after {len(self.data)} bytes; bytes are missing or damaged")
