"""Reads what an LML1 container says of itself: every announced size is checked before it is used."""

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any

from cookbooks.lamquant.formats.extent import Extent
from cookbooks.lamquant.formats.lml.errors import BadHeader, CrcMismatch, LmlError, Truncated, Unsupported
from cookbooks.lamquant.formats.lml.layout import (
    ENTRY,
    FLAG_FOOTER,
    FOOTER,
    FOOTER_MAGIC,
    HEADER,
    MAX_METADATA,
    MAX_U16,
    MAX_U32,
)
from cookbooks.lamquant.formats.lml.packet import (
    MAGIC,
    MAX_CHANNELS,
    SHAPE_BYTES,
    PacketShape,
    read_shape,
)

FREE_VALUES, VALUES_A_BYTE = 2**28, 4096
"""Values that any file may declare, and those that each of its bytes may stand for besides."""


@dataclass(frozen=True)
class LmlHeader:
    """Holds the fields of the container's header."""

    n_channels: int
    n_windows: int
    total: int
    window_size: int
    rate_mhz: int
    bit_depth: int
    flags: int
    n_metadata: int

    @property
    def has_footer(self) -> bool:
        """Says whether a table of the windows is announced at the end of the file."""
        return bool(self.flags & FLAG_FOOTER)


@dataclass(frozen=True)
class WindowPlace:
    """Says where a packet lies in the file, how long it is, and what it announces."""

    at: int
    length: int
    shape: PacketShape


def read_container_header(data: bytes) -> LmlHeader:
    """Returns the header from the first bytes of a file.

    Raises:
        LmlError: Truncated, BadHeader or Unsupported.
    """
    if len(data) < HEADER.size:
        raise Truncated(f"file: {len(data)} bytes, the header alone has {HEADER.size}")
    magic, major, _minor, *rest = HEADER.unpack_from(data)
    if magic != MAGIC:
        if magic[:3] == b"LML" and magic[3:].isdigit():
            raise Unsupported(f"file magic: {magic!r}; this reader knows {MAGIC!r}")
        raise BadHeader(f"file magic: {magic!r} is not {MAGIC!r}")
    if major != 1:
        raise Unsupported(f"ver_major: {major}; this reader knows 1")
    header = LmlHeader(*rest[:8])
    for name, value, high in (
        ("n_channels", header.n_channels, MAX_CHANNELS),
        ("n_windows", header.n_windows, MAX_U16),
        ("total_samples", header.total, MAX_U32),
        ("sample_rate_mhz", header.rate_mhz, MAX_U32),
    ):
        if not 1 <= value <= high:
            raise BadHeader(f"{name}: {value} is not in 1..{high}")
    if header.n_metadata > MAX_METADATA:
        raise BadHeader(f"metadata_length: {header.n_metadata} exceeds {MAX_METADATA}")
    return header


def read_metadata(raw: bytes) -> dict[str, Any]:
    """Returns the metadata; a file without any has none.

    Raises:
        BadHeader: it is something else than a JSON object.
    """
    if not raw:
        return {}
    try:
        value = json.loads(raw.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadHeader(f"metadata: not UTF-8 JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadHeader(f"metadata: a JSON object is needed, got {type(value).__name__}")
    return value


def read_places(source: Extent, header: LmlHeader) -> list[WindowPlace]:
    """Returns where the windows lie; they may not overlap.

    Raises:
        LmlError: the index, a packet's header or the footer contradict the file or each other.
    """
    index_at = HEADER.size + header.n_metadata
    windows_at = index_at + 4 * header.n_windows
    if windows_at > source.size:
        raise Truncated(f"file: {source.size} bytes end before the first window at {windows_at}")
    offsets = struct.unpack(f"<{header.n_windows}I", source.read(index_at, 4 * header.n_windows))
    places: list[WindowPlace] = []
    floor = windows_at
    for index, offset in enumerate(offsets):
        at = windows_at + offset
        if at < floor:
            raise BadHeader(f"window index {index}: offset {offset} overlaps the window before it")
        places.append(_place(source, index, at))
        floor = at + 4 + places[-1].length
    _check_places(header, places, source.size)
    if header.has_footer:
        _check_footer(source, places)
    return places


def _place(source: Extent, index: int, at: int) -> WindowPlace:
    if at + 4 > source.size:
        raise Truncated(f"window {index}: starts at byte {at} of {source.size}")
    start = source.read(at, 4 + SHAPE_BYTES)
    (length,) = struct.unpack_from("<I", start)
    if at + 4 + length > source.size:
        raise Truncated(f"window {index}: ends at byte {at + 4 + length} of {source.size}")
    try:
        return WindowPlace(at, length, read_shape(start[4 : 4 + length], length))
    except LmlError as error:
        raise type(error)(f"window {index}: {error}") from error


def _check_places(header: LmlHeader, places: list[WindowPlace], n_bytes: int) -> None:
    for index, place in enumerate(places):
        if place.shape.n_channels != header.n_channels:
            raise BadHeader(
                f"window {index}: {place.shape.n_channels} channels, the file has {header.n_channels}"
            )
    total = sum(place.shape.n_samples for place in places)
    if total != header.total:
        raise BadHeader(f"total_samples: {header.total}, the windows hold {total}")
    most = FREE_VALUES + VALUES_A_BYTE * n_bytes
    if total * header.n_channels > most:
        raise BadHeader(
            f"total_samples: {total} of {header.n_channels} channels in {n_bytes} bytes, which hold {most}"
            " values at most"
        )


def _check_footer(source: Extent, places: list[WindowPlace]) -> None:
    end = places[-1].at + 4 + places[-1].length
    n_table = ENTRY.size * len(places)
    foot = source.read(max(0, source.size - FOOTER.size), FOOTER.size)
    if source.size < end + n_table + FOOTER.size or foot[:8] != FOOTER_MAGIC:
        raise Truncated("footer: announced in the header, not present at the end of the file")
    _magic, length, n_windows, crc, table_at = FOOTER.unpack(foot)
    if (length, n_windows, table_at) != (FOOTER.size, len(places), source.size - FOOTER.size - n_table):
        raise BadHeader(
            f"footer: length {length}, {n_windows} windows, table at {table_at} contradict the file"
        )
    table = source.read(table_at, n_table)
    if crc != zlib.crc32(table + foot[:16]) ^ 0xFFFFFFFF:
        raise CrcMismatch(f"footer crc: stored {crc:08x} does not match the table")
    first = 0
    for index, (place, entry) in enumerate(zip(places, ENTRY.iter_unpack(table), strict=True)):
        if entry != (place.at, place.length + 4, first):
            raise BadHeader(f"footer entry {index}: {entry} is not {(place.at, place.length + 4, first)}")
        first += place.shape.n_samples


def exact_rate(rate_mhz: int, metadata: dict[str, Any]) -> float:
    """Returns the exact rate from the metadata where present; the header keeps 1/1000 Hz only.

    The header is under no checksum, so a contradiction between the two is refused.

    Raises:
        BadHeader: the two differ.
    """
    exact = metadata.get("sample_rate")
    if isinstance(exact, bool) or not isinstance(exact, int | float):
        return rate_mhz / 1000
    if not abs(exact * 1000 - rate_mhz) <= 1:  # also refuses NaN
        raise BadHeader(
            f"sample_rate_mhz: {rate_mhz} contradicts the metadata's sample_rate {str(exact)[:40]}"
        )
    return float(exact)
