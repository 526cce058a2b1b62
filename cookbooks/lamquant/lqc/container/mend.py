"""Restores a header of which one byte is wrong: its checksum tells which byte, and what it was.

A CRC is linear: what the wrong byte changed in it does not depend on the others. So one step back through
the bytes after the other is looked whether one byte there would explain the difference. Long headers are left
alone, since in them damage of several bytes could be taken for one.
"""

import zlib

from cookbooks.lamquant.lqc.container.layout import header_size
from cookbooks.lamquant.lqc.errors import FormatError

LONGEST = 4096
_BYTE = [zlib.crc32(bytes([byte])) ^ zlib.crc32(b"\0") for byte in range(256)]
_BY_TOP = {value >> 24: byte for byte, value in enumerate(_BYTE)}
_MEANT = {value: byte for byte, value in enumerate(_BYTE)}
_LEAD = 10
"""Bytes that may say how long the header is: each other value of each is tried."""


def mended(start: bytes) -> bytes | None:
    """Returns the header that ``start`` (of a file) began with, if it is that but for one byte; else None."""
    start = start[:LONGEST]
    found = set(_led(start))
    try:
        size = header_size(start[:16])
    except FormatError:
        size = 0
    if _LEAD < size <= len(start):
        found |= {one for at in _suspects(start[:size]) if _sound(one := at)}
    return found.pop() if len(found) == 1 else None


def _led(start: bytes) -> list[bytes]:
    """Returns the headers that a change of one of the first bytes makes sound."""
    found = []
    for at in range(min(_LEAD, len(start))):
        for byte in range(256):
            one = start[:at] + bytes([byte]) + start[at + 1 :]
            try:
                size = header_size(one[:16])
            except FormatError:
                continue
            if size <= len(one) and _sound(one[:size]):
                found.append(one[:size])
    return found


def _suspects(header: bytes) -> list[bytes]:
    """Returns the header with the one byte changed that explains what its checksum is."""
    stored = int.from_bytes(header[-4:], "little")
    computed = zlib.crc32(header[:-4])
    found = [header[:-4] + computed.to_bytes(4, "little")] if _one_byte(stored ^ computed) else []
    left = stored ^ computed
    for at in range(len(header) - 5, -1, -1):
        if (change := _MEANT.get(left)) is not None:
            found.append(header[:at] + bytes([header[at] ^ change]) + header[at + 1 :])
        byte = _BY_TOP[left >> 24]
        left = ((left ^ _BYTE[byte]) << 8 | byte) & 0xFFFFFFFF
    return found


def _one_byte(difference: int) -> bool:
    return sum(1 for byte in difference.to_bytes(4, "little") if byte) == 1


def _sound(header: bytes) -> bool:
    return zlib.crc32(header[:-4]) == int.from_bytes(header[-4:], "little")
