"""Writes and reads integers of variable length: seven bits a byte, the lowest first; bit 7 says: more follow.

A signed integer is folded first: 0, -1, 1, -2 become 0, 1, 2, 3.
"""

from cookbooks.lamquant.lqc.errors import PayloadError

MOST = 2**63 - 1
"""The largest integer that is written: it fits a signed register of 64 bits."""


def put(out: bytearray, value: int) -> None:
    """Append an integer of 0 to ``MOST``."""
    if not 0 <= value <= MOST:
        raise ValueError(f"{value} is not in 0..{MOST}")
    while value >= 128:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)


def put_signed(out: bytearray, value: int) -> None:
    """Append an integer of -(2^62) to 2^62 - 1."""
    put(out, value << 1 if value >= 0 else (-value << 1) - 1)


class Cursor:
    """Reads a buffer from its beginning; ``at`` is where the next byte stands."""

    def __init__(self, data: bytes | memoryview, at: int = 0) -> None:
        self.data, self.at = data, at

    def take(self, name: str, most: int = MOST, least: int = 0) -> int:
        """Returns the next integer.

        Raises:
            PayloadError: the buffer ends in it, it is too long, or it is not in ``least``..``most``.
        """
        value = self._folded(name)
        if not least <= value <= most:
            raise PayloadError(f"{name} is {value}, and must be in {least}..{most}")
        return value

    def take_signed(self, name: str, most: int = MOST, least: int | None = None) -> int:
        """Returns the next signed integer, which lies in ``least``..``most`` (``-most`` by default)."""
        value = self._folded(name)
        value = value >> 1 if value & 1 == 0 else -((value + 1) >> 1)
        low = -most if least is None else least
        if not low <= value <= most:
            raise PayloadError(f"{name} is {value}, and must be in {low}..{most}")
        return value

    def take_bytes(self, name: str, count: int) -> bytes:
        """Returns the next ``count`` bytes.

        Raises:
            PayloadError: fewer are left.
        """
        left = len(self.data) - self.at
        if count > left:
            raise PayloadError(f"{name} has {count} bytes, and {left} are left")
        self.at += count
        return bytes(self.data[self.at - count : self.at])

    def rest(self) -> bytes:
        """Returns what is left, and moves to the end."""
        return self.take_bytes("the rest", len(self.data) - self.at)

    def _folded(self, name: str) -> int:
        value = 0
        for shift in range(0, 70, 7):
            if self.at >= len(self.data):
                raise PayloadError(f"{name} runs past the end")
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                if value > MOST:
                    break
                return value
        raise PayloadError(f"{name} has more than 63 bits")
