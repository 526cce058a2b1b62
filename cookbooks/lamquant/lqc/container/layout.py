"""Writes and reads the header's bytes: magic, version, flags, groups, text, and a CRC-32 over them.

Whoever reads believes no number in it further than the file's bytes can stand for.
"""

import math
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from cookbooks.lamquant.lqc.container import text
from cookbooks.lamquant.lqc.container.header import (
    DIGEST_BYTES,
    INT32,
    MAX_CHANNELS,
    MAX_CHUNK_VALUES,
    MAX_GROUPS,
    MAX_LOG2_HOP,
    MAX_SAMPLES,
    MAX_SHARED,
    MIN_LOG2_HOP,
    ChannelFacts,
    FileHeader,
    Group,
    check,
)
from cookbooks.lamquant.lqc.errors import FormatError, InputError, PayloadError, VersionError
from cookbooks.lamquant.lqc.varint import Cursor, put, put_signed

MAGIC = b"BLQ2"
VERSION = 2
MAX_HEADER = 2**24
"""Bytes of a header, as they are in the file."""
IDENTITY = 1
EXACT, DEVICE = 1, 2
FREE_VALUES, VALUES_A_BYTE = 2**28, 2**15
"""Values of a recording that any file may declare, and those that each of its bytes may stand for besides."""
_CRC = struct.Struct("<I")


@dataclass(frozen=True)
class Parsed:
    """Holds a header and how many bytes it takes."""

    header: FileHeader
    size: int


def pack(header: FileHeader) -> bytes:
    """Returns the header's bytes.

    Raises:
        InputError: a field cannot be written.
    """
    check(header)
    body = bytearray()
    put(body, len(header.groups))
    for group in header.groups:
        _put_group(body, group)
    body += text.text_of(header)
    out = bytearray(MAGIC)
    out += bytes((VERSION, IDENTITY if header.identity else 0))
    put(out, len(body))
    out += body
    if len(out) > MAX_HEADER - _CRC.size:
        raise InputError(f"the header has {len(out)} bytes, and {MAX_HEADER} are the most")
    return bytes(out) + _CRC.pack(zlib.crc32(out))


def header_size(start: bytes) -> int:
    """Returns how many bytes a header has, by its first 16 (or all that there are).

    Raises:
        FormatError: they are not the beginning of a file that this reader knows.
    """
    if start[:4] != MAGIC:
        raise FormatError(
            f"magic is {start[:4]!r}, and must be {MAGIC!r}: this is not a .lqc file of version 2"
        )
    if len(start) < 7:
        raise FormatError(f"header ends after {len(start)} bytes")
    if start[4] > VERSION:
        raise VersionError(f"version is {start[4]}, and this reader knows {VERSION}: use a newer one")
    if start[4] != VERSION or start[5] & ~IDENTITY:
        raise FormatError(f"version {start[4]} with flags {start[5]:#x} does not exist")
    cursor = Cursor(start, 6)
    try:
        length = cursor.take("length of the header", MAX_HEADER)
    except PayloadError as error:
        raise FormatError(f"header: {error}") from error
    return cursor.at + length + _CRC.size


def unpack(data: bytes, file_size: int | None) -> Parsed:
    """Parse a header from the beginning of ``data``.

    Args:
        data: all of the header, or more.
        file_size: bytes of the file, which bound what may be declared; None of a stream.

    Raises:
        FormatError: cut, damaged, of a later version, or a field is out of its range.
    """
    size = header_size(data[:16])
    if len(data) < size:
        raise FormatError(f"header has {size} bytes, and the file ends after {len(data)}")
    if _CRC.unpack_from(data, size - _CRC.size)[0] != zlib.crc32(data[: size - _CRC.size]):
        raise FormatError("header: its checksum does not match, so it is damaged")
    try:
        cursor = Cursor(data[: size - _CRC.size], 6)
        cursor.take("length of the header")
        n_groups = cursor.take("groups", MAX_GROUPS, 1)
        groups = [_take_group(cursor, f"group {number}") for number in range(n_groups)]
    except PayloadError as error:
        raise FormatError(f"header: {error}") from error
    if file_size is not None:
        bound(groups, [group.n_samples or 0 for group in groups], file_size)
    header = text.header_of(groups, text.inflate(cursor.rest()), bool(data[5] & IDENTITY))
    try:
        check(header)
    except InputError as error:
        raise FormatError(f"header: {error}") from error
    return Parsed(header, size)


def find_last(tail: bytes, file_size: int) -> Parsed | None:
    """Returns the sound header that ``tail`` ends with; None if there is none."""
    at = tail.rfind(MAGIC)
    while at >= 0:
        try:
            if header_size(tail[at : at + 16]) == len(tail) - at:
                return unpack(tail[at:], file_size)
        except FormatError:
            pass
        at = tail.rfind(MAGIC, 0, at)
    return None


def bound(groups: Sequence[Group], n_samples: Sequence[int], file_size: int) -> None:
    """Look whether a file of this size can stand for so many samples of each group.

    Raises:
        FormatError: it cannot, so nobody should reserve memory for them.
    """
    declared = sum(len(group.channels) * count for group, count in zip(groups, n_samples, strict=True))
    most = FREE_VALUES + VALUES_A_BYTE * file_size
    if declared > most:
        raise FormatError(
            f"header: {declared} values are declared in {file_size} bytes, which hold {most} at most"
        )


def _put_group(out: bytearray, group: Group) -> None:
    exact = group.mode == "exact"
    out.append((EXACT if exact else 0) | (DEVICE if group.profile == "device" else 0))
    _put_rate(out, group.rate_hz)
    put(out, len(group.channels))
    put(out, 0 if group.n_samples is None else group.n_samples + 1)
    put(out, group.per_chunk)
    if not exact:
        out.append(group.hop.bit_length() - 1)
        out += group.digest
        put(out, len(group.shared))
        out += group.shared
    for channel in group.channels:
        put_signed(out, channel.low)
        put(out, channel.high - channel.low)
        put(out, channel.dc - channel.low)


def _put_rate(out: bytearray, rate_hz: float) -> None:
    """Append a whole number as it is, and 0 and a double before any other."""
    if rate_hz == int(rate_hz):
        put(out, int(rate_hz))
    else:
        out.append(0)
        out += struct.pack("<d", rate_hz)


def _take_rate(cursor: Cursor) -> float:
    if whole := cursor.take("rate", 10**9):
        return float(whole)
    rate = float(struct.unpack("<d", cursor.take_bytes("rate", 8))[0])
    if not math.isfinite(rate):
        raise PayloadError("rate is not a finite number")
    return rate


def _take_group(cursor: Cursor, where: str) -> Group:
    kind = cursor.take_bytes(f"{where}: kind", 1)[0]
    if kind & ~(EXACT | DEVICE):
        raise PayloadError(f"{where}: kind is {kind:#x}, and must be one of 0..3")
    rate_hz = _take_rate(cursor)
    left = len(cursor.data) - cursor.at
    n_channels = cursor.take(f"{where}: channels", min(MAX_CHANNELS, left), 1)
    declared = cursor.take(f"{where}: samples", MAX_SAMPLES + 1)
    per_chunk = cursor.take(f"{where}: frames or samples of a chunk", MAX_CHUNK_VALUES, 1)
    hop, digest, shared = 0, b"", b""
    if not kind & EXACT:
        hop = 1 << cursor.take(f"{where}: hop", MAX_LOG2_HOP, MIN_LOG2_HOP)
        digest = cursor.take_bytes(f"{where}: digest", DIGEST_BYTES)
        shared = cursor.take_bytes(f"{where}: shared", cursor.take(f"{where}: bytes shared", MAX_SHARED))
    channels = tuple(_take_channel(cursor, f"{where}, channel {number}") for number in range(n_channels))
    return Group(
        rate_hz,
        channels,
        "exact" if kind & EXACT else "lapped",
        per_chunk,
        declared - 1 if declared else None,
        hop,
        "device" if kind & DEVICE else "full",
        digest,
        shared,
    )


def _take_channel(cursor: Cursor, where: str) -> ChannelFacts:
    low = cursor.take_signed(f"{where}: low", INT32[1], INT32[0])
    high = low + cursor.take(f"{where}: range", INT32[1] - low)
    dc = low + cursor.take(f"{where}: dc", high - low)
    return ChannelFacts(dc=dc, low=low, high=high)
