"""Packs what follows the header into records, each with its length, its kind and a CRC-32.

A record is a head (a varint: length * kinds + kind), that many bytes, and a check: the CRC-32 of head and
bytes, plus the record's number among those of its kind times ``STRIDE``, modulo 2^32. So a number that is
nowhere written is checked, and a record that is found behind a damaged place says which one it is.
"""

import struct
import zlib
from dataclasses import dataclass

from cookbooks.lamquant.lqc.errors import PayloadError
from cookbooks.lamquant.lqc.varint import Cursor, put

NOTES, INDEX = 0, 1
"""Kinds of records; then two for each group: a chunk, and one that also says how many samples there are."""
STRIDE = 0x9E3779B1
_INVERSE = pow(STRIDE, -1, 2**32)
_CHECK = struct.Struct("<I")
CHECK_BYTES = _CHECK.size
MAX_RECORD = 2**25
"""Bytes of a record's content."""
MAX_HEAD = 5
"""Bytes of a head: of the longest record in a file of ``MAX_GROUPS`` groups. No record is shorter, either."""


@dataclass(frozen=True)
class Head:
    """Holds what the head of a record says. ``size``: bytes of the head itself."""

    kind: int
    length: int
    size: int

    @property
    def record_size(self) -> int:
        """Returns how many bytes the record takes in all."""
        return self.size + self.length + CHECK_BYTES

    @property
    def slot(self) -> int:
        """Returns what is numbered together: notes, the index, and two more than a group for its chunks."""
        return self.kind if self.kind < 2 else self.kind // 2 + 1

    @property
    def is_final(self) -> bool:
        """Says whether it is the chunk that also says how many samples its group has."""
        return self.kind >= 2 and self.kind % 2 == 1


def kind_of(group: int, final: bool) -> int:
    """Returns the kind of a group's chunks."""
    return 2 + 2 * group + final


def put_head(out: bytearray, kind: int, length: int, n_groups: int) -> None:
    """Append the head of a record."""
    put(out, length * (2 + 2 * n_groups) + kind)


def take_head(data: bytes | memoryview, at: int, n_groups: int) -> Head:
    """Returns the head that begins at ``at``.

    Raises:
        PayloadError: there is none.
    """
    cursor = Cursor(data, at)
    length, kind = divmod(cursor.take("length of a record"), 2 + 2 * n_groups)
    if length > MAX_RECORD:
        raise PayloadError(f"length of a record is {length}, and {MAX_RECORD} is the most")
    return Head(kind, length, cursor.at - at)


def pack(kind: int, number: int, content: bytes, n_groups: int) -> bytes:
    """Returns a record; ``number`` counts those of its kind (both kinds of chunk of a group together)."""
    out = bytearray()
    put_head(out, kind, len(content), n_groups)
    out += content
    return bytes(out) + _CHECK.pack((zlib.crc32(out) + number * STRIDE) % 2**32)


def number_of(record: bytes | memoryview) -> int:
    """Returns the number that a whole record has by its check; of a damaged one it is any of 32 bits."""
    body = record[:-CHECK_BYTES]
    return (_CHECK.unpack(record[-CHECK_BYTES:])[0] - zlib.crc32(body)) * _INVERSE % 2**32
